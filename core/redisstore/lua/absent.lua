-- newer tells whether a later version of this program wrote what begins with these four bytes.
local function newer(kind) return kind ~= SESSION and kind ~= FORWARD and string.find(kind, '^HS[SF]%d$') ~= nil end

-- absent returns the reply that says why there is no session, given what is stored, or its first part.
local function absent(key, stored, now)
  if stored == '' then return false end
  local kind = string.sub(stored, 1, 4)
  if kind == FORWARD and #stored >= HEAD then
    if now >= struct.unpack('>I8', stored, 37) then return false end
    return { 'moved', redis.call('GETRANGE', key, HEAD, -1) }
  end
  if newer(kind) then return { 'newer' } end
  return { 'bad' }
end
