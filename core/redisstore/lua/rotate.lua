-- include: head
-- include: nonce
-- include: ended
-- include: absent
-- include: vacate
-- include: wake
-- KEYS: data, index, ended, queue, data under the new id
-- ARGV: id, new id, forward (µs, 0: not at all), fence (only under this, empty: any), nonce
-- Reply: 1; or nil: there is no session; or {moved, id}, {lost}, {exists}, {bad}, {newer}
local there = redis.call('GETRANGE', KEYS[5], 0, HEAD - 1)
if #there == HEAD and written(there, ARGV[5]) then return 1 end -- by an attempt whose reply was lost
local stored = redis.call('GETRANGE', KEYS[1], 0, HEAD - 1)
-- include: session
if ARGV[4] ~= '' and ARGV[4] ~= fence then return { 'lost' } end
local taken = vacate(KEYS[5], KEYS[2], ARGV[2], KEYS[3], now)
if taken then return taken end
redis.call('SETRANGE', KEYS[1], 76, ring(stored, ARGV[5])) -- first, since it fails without memory
redis.call('RENAME', KEYS[1], KEYS[5])
redis.call('ZADD', KEYS[2], scheduled > 0 and scheduled or '+inf', ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[1])
local forward = tonumber(ARGV[3])
if forward > 0 then
  local stop = now + forward
  redis.call('SET', KEYS[1], FORWARD .. struct.pack('>I8I8I8I8I8', 0, now, now, 0, stop) .. FREE ..
    string.rep('\0', 68) .. ARGV[2], 'PXAT', math.ceil(stop / 1000))
end
wake_all(KEYS[4])
return 1
