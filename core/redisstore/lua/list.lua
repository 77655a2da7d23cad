-- include: head
-- KEYS: index
-- ARGV: ids or count, start of the data keys
-- Reply: the ids of the living sessions of a shard, or how many there are
local now = clock()
local after = string.format('(%.0f', now)
-- The index may be up to ten seconds behind the sessions.
local behind = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now - 10000000), now)) do
  local stored = redis.pcall('GETRANGE', ARGV[2] .. id, 0, HEAD - 1)
  if type(stored) == 'string' and #stored == HEAD then
    local _, _, accessed, idle, ends = struct.unpack(FIELDS, stored, 5)
    local expires = expiry(accessed, idle, ends)
    if expires == 0 or now < expires then behind[#behind + 1] = id end
  end
end
if ARGV[1] == 'count' then return redis.call('ZCOUNT', KEYS[1], after, '+inf') + #behind end
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], after, '+inf')
for _, id in ipairs(behind) do ids[#ids + 1] = id end
return ids
