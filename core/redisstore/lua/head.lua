-- The head of a stored session. docs/redis-protocol.md has the layout.
local HEAD = 128
local SESSION, FORWARD = 'HSS1', 'HSF1'
local FIELDS = '>I8I8I8I8I8c8I8I4I4I8' -- from byte 5 on
local FREE = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' -- fence and lease of a lock that nobody holds

local function clock() -- microseconds
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

local function expiry(accessed, idle, ends) -- microseconds; 0: never
  if idle == 0 then return ends end
  local x = accessed + math.floor(idle / 1000)
  if ends > 0 and ends < x then return ends end
  return x
end
