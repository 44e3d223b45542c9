-- Puts a session into its principal's index before it is published there.
-- ARGV: 1 deadline; 2 the session; 3 the operation that will publish it; 4 whether that is a promotion; 5 until when it may live.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local deadline = tonumber(ARGV[1])
if now >= deadline then return {now, 'LATE'} end

local forget = tonumber(ARGV[5])
local old = redis.call('HGET', KEYS[1], ARGV[2])
if old then
  -- what a newer release wrote is left as it is: the session has its place
  if #old ~= 42 or string.byte(old) ~= 1 then return {now, 'DONE'} end
  forget = math.max(forget, (struct.unpack('>i8', old, 35)))
end
redis.call('HSET', KEYS[1], ARGV[2], struct.pack('>BBc16i8i8i8', 1, tonumber(ARGV[4]), ARGV[3], 0, deadline, forget))
local expiry = math.min(math.max(forget, now) + 300000, 9e15)
local left = redis.call('PTTL', KEYS[1])
if left < 0 or expiry > now + left then redis.call('PEXPIREAT', KEYS[1], expiry) end
return {now, 'DONE'}
