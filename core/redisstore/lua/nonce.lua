-- The last six writes of a session are known by their nonces, the newest first, so that a write whose
-- reply was lost can be repeated.
local RING, LAST = 77, 124
local NONE = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' -- what follows the first write's

-- written returns how many writes ago the nonce was used, the last write being 0, or nil.
local function written(stored, nonce)
  if not string.find(stored, nonce, RING, true) then return nil end
  for i = 0, 5 do
    if string.sub(stored, RING + 8 * i, RING + 8 * i + 7) == nonce then return i end
  end
end

-- ring returns what follows byte RING - 1 of a head after one more write.
local function ring(stored, nonce) return nonce .. string.sub(stored, RING, LAST - 8) .. '\0\0\0\0' end
