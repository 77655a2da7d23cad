-- include: head
-- KEYS: ended
-- ARGV: microseconds from now at which the rest may be claimed by others, how many were told, their
--       members, then the members of the rest
-- Reply: 1
local at, told = clock() + ARGV[1], tonumber(ARGV[2])
for i = 3, #ARGV do
  if i < 3 + told then
    redis.call('DEL', KEYS[1] .. ':' .. ARGV[i])
    redis.call('ZREM', KEYS[1], ARGV[i])
  else
    redis.call('ZADD', KEYS[1], 'XX', at, ARGV[i])
  end
end
return 1
