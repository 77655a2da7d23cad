-- due tells whether the index and the key's own time to live must follow the session's expiry, which
-- they do by steps: of a 64th of the idle timeout, half of grace, or ten seconds, whichever is least.
local function due(expires, scheduled, idle, grace)
  if expires == scheduled then return false end
  if expires == 0 or expires < scheduled or scheduled == 0 then return true end
  return expires - scheduled >= math.min(idle / 64000, grace * 500, 10000000)
end
