-- include: head
-- include: absent
-- include: wake
-- KEYS: data, index, queue
-- ARGV: id
-- Reply: the session as it was, expired or not; or nil: there is none; or {moved, id}, {bad}, {newer}
local stored = redis.call('GET', KEYS[1]) or ''
if #stored < HEAD or string.sub(stored, 1, 4) ~= SESSION then
  local reply = absent(KEYS[1], stored, clock())
  if not reply or reply[1] == 'moved' then redis.call('DEL', KEYS[1]) end
  return reply
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
wake_all(KEYS[3])
return stored
