-- include: head
-- KEYS: data, queue
-- ARGV: fence that the caller will lock with, entry in the queue, how long the queue is kept (ms)
-- Reply: the microseconds of the holder's lease that are left; nil or something else when there is nothing to wait for
local stored = redis.call('GETRANGE', KEYS[1], 0, HEAD - 1)
-- include: session
if lease <= now or fence == ARGV[1] then return false end
if not redis.call('LPOS', KEYS[2], ARGV[2]) then redis.call('RPUSH', KEYS[2], ARGV[2]) end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return lease - now
