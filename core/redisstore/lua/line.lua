-- next_in_line takes the first process that waits for the lock and still listens, and returns the
-- 16 bytes of fence and lease that make it the holder for reserve microseconds, or those of a free lock.
local function next_in_line(queue, reserve, now)
  local entry = redis.call('LPOP', queue)
  while entry do
    local fence = string.sub(entry, 1, 8)
    -- Only a single server can tell that nobody listens: in a cluster others may have the listener.
    if redis.call('PUBLISH', string.sub(entry, 10), fence) > 0 or string.sub(entry, 9, 9) == 'c' then
      return fence .. struct.pack('>I8', now + reserve)
    end
    entry = redis.call('LPOP', queue)
  end
  return FREE
end
