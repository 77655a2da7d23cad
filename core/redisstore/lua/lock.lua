-- include: head
-- KEYS: data, index, and if the caller stands in line: queue
-- ARGV: id, grace (ms), touch (µs; negative: never), fence, lease (µs), entry in the queue
-- Reply: the last access before (µs); or nil: there is none; or {locked, µs left}, {moved, id}, {bad}, {newer}
local stored = redis.call('GETRANGE', KEYS[1], 0, HEAD - 1)
-- include: session
if lease > now and fence ~= ARGV[4] then return { 'locked', lease - now } end
redis.call('SETRANGE', KEYS[1], 44, ARGV[4] .. struct.pack('>I8', now + ARGV[5]))
if KEYS[3] then redis.call('LREM', KEYS[3], 0, ARGV[6]) end
-- include: touch
return accessed
