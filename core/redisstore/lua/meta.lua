-- KEYS: meta
-- ARGV: format, shards, channel
-- Reply: {format, shards} as they hold for this prefix
redis.call('HSETNX', KEYS[1], 'format', ARGV[1])
redis.call('HSETNX', KEYS[1], 'shards', ARGV[2])
redis.call('PUBLISH', ARGV[3], '') -- who may not is told now, and not when somebody waits for a lock
local meta = redis.call('HMGET', KEYS[1], 'format', 'shards')
return { tonumber(meta[1]), tonumber(meta[2]) }
