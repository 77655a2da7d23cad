-- merge writes the changed items over the stored ones and leaves the deleted names out; what is new goes
-- to the end. It returns all items and their number, or nil if what is stored is found to be damaged.
local function merge(stored, count, items, deleted)
  local change, names, left, pos, had = {}, {}, 0, 1, count
  while pos <= #items do
    local n, d = struct.unpack('>I4I4', items, pos)
    local name = string.sub(items, pos + 8, pos + 7 + n)
    change[name] = string.sub(items, pos, pos + 7 + n + d)
    left = left + 1
    names[left] = name
    pos = pos + 8 + n + d
  end
  pos = 1
  while pos <= #deleted do
    local n = struct.unpack('>I4', deleted, pos)
    change[string.sub(deleted, pos + 4, pos + 3 + n)] = false
    left = left + 1
    pos = pos + 4 + n
  end
  local out, from, seen, last = {}, HEAD + 1, 0, #stored - 7
  pos = HEAD + 1
  while left > 0 and pos <= last do
    local n, d = struct.unpack('>I4I4', stored, pos)
    local name, stop = string.sub(stored, pos + 8, pos + 7 + n), pos + 8 + n + d
    local item = change[name]
    if item ~= nil then
      out[#out + 1] = string.sub(stored, from, pos - 1)
      if item then out[#out + 1] = item else count = count - 1 end
      change[name] = nil
      left = left - 1
      from = stop
    end
    pos = stop
    seen = seen + 1
  end
  if left > 0 and (pos ~= #stored + 1 or seen ~= had) or pos > #stored + 1 then return nil end
  out[#out + 1] = string.sub(stored, from)
  for _, name in ipairs(names) do
    if change[name] then
      out[#out + 1] = change[name]
      count = count + 1
    end
  end
  return table.concat(out), count
end
