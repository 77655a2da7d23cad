-- retire moves the data of an expired session to where sweepers find it, under a name that no other
-- ended session has.
local function retire(data, index, id, ended, now)
  local member = struct.pack('>I8', now) .. id
  while redis.call('EXISTS', ended .. ':' .. member) == 1 do -- the same id twice in a microsecond
    now = now + 1
    member = struct.pack('>I8', now) .. id
  end
  redis.call('ZADD', ended, 0, member) -- first, since it fails without memory
  redis.call('RENAME', data, ended .. ':' .. member)
  redis.call('ZREM', index, id)
  local left = redis.call('PTTL', ended .. ':' .. member)
  if left > redis.call('PTTL', ended) then redis.call('PEXPIRE', ended, left + 60000) end
end
