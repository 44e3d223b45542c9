-- After a promotion: it is no longer under way, and until when the session may live is known.
-- ARGV: 1 deadline; 2 the session; 3 the operation that entered it; 4 until when it may live.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now >= tonumber(ARGV[1]) then return {now, 'LATE'} end

local old = redis.call('HGET', KEYS[1], ARGV[2])
if not old or #old ~= 42 or string.byte(old) ~= 1 or string.sub(old, 3, 18) ~= ARGV[3] then return {now, 'GONE'} end
redis.call('HSET', KEYS[1], ARGV[2], struct.pack('>BBc16i8i8i8', 1, 0, ARGV[3], 0, 0, tonumber(ARGV[4])))
local last = now
for _, entry in ipairs(redis.call('HVALS', KEYS[1])) do
  if #entry ~= 42 or string.byte(entry) ~= 1 then return {now, 'DONE'} end
  last = math.max(last, (struct.unpack('>i8', entry, 35)))
end
redis.call('PEXPIREAT', KEYS[1], math.min(last + 300000, 9e15))
return {now, 'DONE'}
