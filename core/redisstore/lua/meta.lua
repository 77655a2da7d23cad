-- KEYS: meta
-- ARGV: format, shards, channel
-- Reply: {format, shards} as they hold for this prefix
redis.call('PUBLISH', ARGV[3], '') -- who may not is told now, and not when somebody waits for a lock
local meta = redis.call('HMGET', KEYS[1], 'format', 'shards')
if not (meta[1] and meta[2]) then -- else nothing is written, so that programs start where Redis has no memory left
  redis.call('HSETNX', KEYS[1], 'format', ARGV[1])
  redis.call('HSETNX', KEYS[1], 'shards', ARGV[2])
  meta = redis.call('HMGET', KEYS[1], 'format', 'shards')
end
return { tonumber(meta[1]), tonumber(meta[2]) }
