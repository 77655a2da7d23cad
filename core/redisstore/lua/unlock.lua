-- include: head
-- include: line
-- KEYS: data, queue
-- ARGV: fence, reserve (µs), entry in the queue to take out, or empty
-- Reply: 1; or nil: there is no session; or {moved, id}, {lost}, {bad}, {newer}
if ARGV[3] ~= '' then redis.call('LREM', KEYS[2], 0, ARGV[3]) end
local stored = redis.call('GETRANGE', KEYS[1], 0, HEAD - 1)
-- include: session
if fence ~= ARGV[1] then return { 'lost' } end
redis.call('SETRANGE', KEYS[1], 44, next_in_line(KEYS[2], tonumber(ARGV[2]), now))
return 1
