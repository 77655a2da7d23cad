-- include: head
-- KEYS: data
-- ARGV: fence, lease (µs)
-- Reply: 1; or nil: there is no session; or {moved, id}, {lost}, {bad}, {newer}
local stored = redis.call('GETRANGE', KEYS[1], 0, HEAD - 1)
-- include: session
if fence ~= ARGV[1] then return { 'lost' } end
redis.call('SETRANGE', KEYS[1], 52, struct.pack('>I8', now + ARGV[2]))
return 1
