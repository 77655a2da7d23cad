-- schedule makes the index and the key's time to live follow the session's expiry. The data stays for grace
-- milliseconds longer, so that a sweeper can tell its end. The index lives as long as its longest entry.
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
