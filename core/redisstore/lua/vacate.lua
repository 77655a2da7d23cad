-- vacate makes room for a new session: what has expired there is retired. It returns the reply that
-- says why it can not, with the session that is in the way, or nil.
local function vacate(data, index, id, ended, now)
  local stored = redis.call('GETRANGE', data, 0, HEAD - 1)
  if stored == '' then return nil end
  if #stored < HEAD or string.sub(stored, 1, 4) ~= SESSION then
    local reply = absent(data, stored, now)
    if not reply then redis.call('DEL', data) return nil end -- a forward that has run out
    if reply[1] == 'moved' then
      redis.call('ZREM', index, id)
      return { 'exists' }
    end
    return reply
  end
  local _, _, accessed, idle, ends = struct.unpack(FIELDS, stored, 5)
  local expires = expiry(accessed, idle, ends)
  if expires == 0 or now < expires then return { 'exists' }, stored end
  retire(data, index, id, ended, now)
end
