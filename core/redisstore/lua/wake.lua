-- wake_all tells all who wait that the lock they wait for is no more.
local function wake_all(queue)
  for _, entry in ipairs(redis.call('LRANGE', queue, 0, -1)) do
    redis.call('PUBLISH', string.sub(entry, 10), string.sub(entry, 1, 8))
  end
  redis.call('DEL', queue)
end
