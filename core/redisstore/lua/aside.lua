-- include: head
-- include: absent
-- KEYS: data, index, where to
-- ARGV: id, how long it is kept (ms)
-- Reply: 1 when what is there can not be read and was set aside, else 0
local function readable(key)
  if redis.call('TYPE', key).ok ~= 'string' then return false end
  local stored = redis.call('GET', key)
  if #stored < HEAD or string.sub(stored, 1, 4) ~= SESSION then
    local reply = absent(key, stored, 0)
    return not reply or reply[1] ~= 'bad'
  end
  local pos, count, seen = HEAD + 1, 0, {}
  while pos + 7 <= #stored do
    local n, d = struct.unpack('>I4I4', stored, pos)
    local name = string.sub(stored, pos + 8, pos + 7 + n)
    if seen[name] then return false end
    seen[name] = true
    pos, count = pos + 8 + n + d, count + 1
  end
  local items, size = struct.unpack('>I4I4', stored, 61)
  return count == items and pos == #stored + 1 and size == #stored - HEAD
end
if redis.call('EXISTS', KEYS[1]) == 0 or readable(KEYS[1]) then return 0 end
redis.call('RENAME', KEYS[1], KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
