-- Given what is stored, or its head: the session's fields, or the reply that says why there is no session.
local now = clock()
if #stored < HEAD or string.sub(stored, 1, 4) ~= SESSION then
-- include: absent
  return absent(KEYS[1], stored, now)
end
local version, created, accessed, idle, ends, fence, lease, count, size, scheduled = struct.unpack(FIELDS, stored, 5)
local expires = expiry(accessed, idle, ends)
if expires > 0 and now >= expires then return false end
