-- include: head
-- include: schedule
-- include: nonce
-- include: ended
-- include: absent
-- include: vacate
-- KEYS: data, index, ended
-- ARGV: id, grace (ms), nonce, age (µs since created), idle (ns), ends (µs from now, 0: never), count, items
-- Reply: {clock (µs), how long the index is kept at least (ms; negative: for good)}, or {exists}, {bad}, {newer}
local now = clock()
local idle, ends = tonumber(ARGV[5]), tonumber(ARGV[6])
if ends > 0 then ends = now + ends end
local expires = expiry(now, idle, ends)
local session = struct.pack('>c4I8I8I8I8I8c16I4I4I8c8', SESSION, 1, now - ARGV[4], now, idle, ends, FREE,
  ARGV[7], #ARGV[8], expires, ARGV[3]) .. NONE .. ARGV[8]
if not redis.call('SET', KEYS[1], session, 'NX') then
  local refused, there = vacate(KEYS[1], KEYS[2], ARGV[1], KEYS[3], now)
  if refused then
    if not there or not written(there, ARGV[3]) then return refused end
    -- By an attempt whose reply was lost, or by plain commands, which do not see to the index.
    local _, _, accessed, idle, ends = struct.unpack(FIELDS, there, 5)
    schedule(KEYS[1], KEYS[2], ARGV[1], expiry(accessed, idle, ends), tonumber(ARGV[2]), now)
    return { now, redis.call('PTTL', KEYS[2]) }
  end
  redis.call('SET', KEYS[1], session)
end
schedule(KEYS[1], KEYS[2], ARGV[1], expires, tonumber(ARGV[2]), now)
return { now, redis.call('PTTL', KEYS[2]) }
