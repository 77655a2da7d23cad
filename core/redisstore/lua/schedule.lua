-- due tells whether the index and the key's own time to live must follow the session's expiry, which
-- they do by steps: of a 64th of the idle timeout, half of grace, or ten seconds, whichever is least.
local function due(expires, scheduled, idle, grace)
  if expires == scheduled then return false end
  if expires == 0 or expires < scheduled or scheduled == 0 then return true end
  return expires - scheduled >= math.min(idle / 64000, grace * 500, 10000000)
end

-- schedule makes them follow. The data stays for grace milliseconds longer, so that a sweeper can tell
-- its end. The index lives as long as its longest entry.
local function schedule(data, index, id, expires, grace, now)
  if expires == 0 then
    redis.call('PERSIST', data)
    redis.call('ZADD', index, '+inf', id)
    redis.call('PERSIST', index)
    return
  end
  local last = math.ceil(expires / 1000) + grace
  redis.call('PEXPIREAT', data, last)
  redis.call('ZADD', index, expires, id)
  local left, want = redis.call('PTTL', index), last - math.floor(now / 1000)
  if left == -1 then -- it is new, or has a session that never expires
    local longest = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2]
    if longest == 'inf' then return end
    left, want = 0, math.max(want, math.ceil((longest - now) / 1000) + grace)
  end
  if left < want then
    redis.call('PEXPIRE', index, math.ceil(want * 1.5))
  end
end
