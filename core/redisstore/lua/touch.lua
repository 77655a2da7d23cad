-- The last access moves if it is at least so many microseconds ago (ARGV[3]), or a tenth of the idle timeout; never
-- if that is negative. Without memory it is left alone: a load must not fail for that.
local interval, grace = tonumber(ARGV[3]), tonumber(ARGV[2])
if idle > 0 and interval > idle / 10000 then interval = idle / 10000 end
if interval >= 0 and now > accessed and now - accessed >= interval then
-- include: due
-- include: schedule
  local moved = expiry(now, idle, ends)
  local again = due(moved, scheduled, idle, grace)
  if again then scheduled = moved end
  local done = redis.pcall('SETRANGE', KEYS[1], 20, struct.pack('>I8', now))
  if again and type(done) == 'number' then
    redis.call('SETRANGE', KEYS[1], 68, struct.pack('>I8', moved))
    schedule(KEYS[1], KEYS[2], ARGV[1], moved, grace, now)
  end
end
