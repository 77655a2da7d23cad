-- include: head
-- KEYS: data, index, and if the lock is to be let go: queue
-- ARGV: 1 id, 2 grace (ms), 3 nonce, 4 repeat (0 or 1), 5 base (version that the caller began with, 0: unknown),
--       6 version (only if it is this, 0: any), 7 fence (only under this, empty: any), 8 reserve (µs),
--       9 idle (ns, empty: as it is), 10 max size (bytes, 0: any),
--       11 whole (0: there are changes only; 1: the items are all if the version is base; 2: they are all),
--       12 count and 13 items of the whole, 14 changed items, 15 deleted names,
--       16 nonce of the write that made base (empty: unknown),
--       17 place (only with 16: offset of the only changed item, if the version is base, whose length it keeps; 0: unknown)
-- Reply: the new version; or nil: there is no session; or {merged, version}, {moved, id}, {lost}, {conflict, session},
--        {large}, {unknown}, {bad}, {newer}
local call = redis.call
local stored = call('GETRANGE', KEYS[1], 0, HEAD - 1)
-- include: session

-- include: nonce
local ago = written(stored, ARGV[3]) -- by another attempt, whose reply was lost or which came late
if ago then return version - ago end
local base = tonumber(ARGV[5])
if ARGV[4] == '1' and (base == 0 or version - base > 6) then return { 'unknown' } end
if ARGV[7] ~= '' and ARGV[7] ~= fence then return { 'lost' } end
-- After a failover a version may be another than the caller's of the same number.
local writer = ARGV[16] or ''
local same = base == version and (writer == '' or writer == string.sub(stored, RING, RING + 7))
if ARGV[6] ~= '0' and (tonumber(ARGV[6]) ~= version or base == version and not same) then
  return { 'conflict', call('GET', KEYS[1]) }
end

local items, total, place = ARGV[14], size, same and writer ~= '' and tonumber(ARGV[17]) or 0
if place < HEAD or place + #items > HEAD + size then
  place, items = HEAD, ARGV[13]
  if ARGV[11] == '2' or ARGV[11] == '1' and same then
    count = tonumber(ARGV[12])
  else
-- include: merge
    local whole = call('GET', KEYS[1])
    items = nil
    if #whole - HEAD == size then items, count = merge(whole, count, ARGV[14], ARGV[15]) end
    if not items then return { 'bad' } end
  end
  total = #items
end
if ARGV[10] ~= '0' and total - 8 * count > tonumber(ARGV[10]) then return { 'large' } end

local lock = string.sub(stored, 45, 60)
if KEYS[3] then
-- include: line
  lock = next_in_line(KEYS[3], tonumber(ARGV[8]), now)
end
if ARGV[9] ~= '' then idle = tonumber(ARGV[9]) end
if now > accessed then accessed = now end
expires = expiry(accessed, idle, ends)
-- include: due
local again = due(expires, scheduled, idle, tonumber(ARGV[2]))
if again then scheduled = expires end
local head = struct.pack('>c4I8I8I8I8I8c16I4I4I8', SESSION, version + 1, created, accessed, idle, ends, lock,
  count, total, scheduled) .. ring(stored, ARGV[3])
if total == size then -- in place; what grows in place would be given twice the room
  call('SETRANGE', KEYS[1], 0, head)
  call('SETRANGE', KEYS[1], place, items)
else
  call('SET', KEYS[1], head .. items, 'KEEPTTL')
end
if again then
-- include: schedule
  schedule(KEYS[1], KEYS[2], ARGV[1], expires, tonumber(ARGV[2]), now)
end
if base > 0 and not same and ARGV[11] ~= '2' then return { 'merged', version + 1 } end
return version + 1
