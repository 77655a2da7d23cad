-- include: head
-- include: absent
-- include: ended
-- KEYS: index, ended
-- ARGV: start of the data keys, how many at most, claim (µs), grace (ms), how many due entries to pass over
-- Reply: {next, lost ids, member, session, member, session, ...}. next is 0 when there is no more, else one
-- more than how many entries are to be passed over next: those of a later version stay. The
-- members are the caller's to tell until the claim runs out. A member without data has nil for its session.
local index, ended = KEYS[1], KEYS[2]
local most, now = tonumber(ARGV[2]), clock()
local passed, lost = tonumber(ARGV[5]), {}
local due = redis.call('ZRANGEBYSCORE', index, '-inf', now, 'LIMIT', passed, most)
for _, id in ipairs(due) do
  local data = ARGV[1] .. id
  local stored = redis.pcall('GETRANGE', data, 0, HEAD - 1)
  if type(stored) == 'string' and #stored == HEAD and string.sub(stored, 1, 4) == SESSION then
    local _, _, accessed, idle, ends = struct.unpack(FIELDS, stored, 5)
    local expires = expiry(accessed, idle, ends)
    if expires > 0 and now >= expires then
      retire(data, index, id, ended, now)
    else
      redis.call('ZADD', index, expires > 0 and expires or '+inf', id)
      redis.call('SETRANGE', data, 68, struct.pack('>I8', expires))
    end
  elseif type(stored) == 'string' and newer(string.sub(stored, 1, 4)) then
    passed = passed + 1
  else
    redis.call('ZREM', index, id)
    if stored == '' then lost[#lost + 1] = id end -- what can not be read is set aside by whoever loads it
  end
end
-- An index that became empty and was begun anew by plain commands has no time to live.
if redis.call('PTTL', index) == -1 then
  local last = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2]
  if last ~= 'inf' then redis.call('PEXPIREAT', index, math.ceil(last / 1000) + ARGV[4]) end
end
local reply = { #due == most and passed + 1 or 0, lost }
local untold = redis.call('ZRANGEBYSCORE', ended, '-inf', now, 'LIMIT', 0, most)
if #untold == most then reply[1] = passed + 1 end
for _, member in ipairs(untold) do
  redis.call('ZADD', ended, now + ARGV[3], member)
  reply[#reply + 1] = member
  reply[#reply + 1] = redis.call('GET', ended .. ':' .. member)
end
return reply
