-- include: head
-- KEYS: data, index
-- ARGV: id, grace (ms), touch (µs; negative: never)
-- Reply: the session as it was before; or nil: there is none; or {moved, id}, {bad}, {newer}
local stored = redis.call('GET', KEYS[1]) or ''
-- include: session
-- include: touch
return stored
