-- Puts a session where there is nothing.
-- ARGV: 1 deadline; 2 the record up to its operations; 3 the operation; 4 for how long to remember it after the deadline; 5 fields;
-- 6 until when the session lives.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local deadline = tonumber(ARGV[1])
if now >= deadline then return {now, 'LATE'} end

local old = redis.call('GET', KEYS[1])
if old then
  if #old >= 110 and string.sub(old, 1, 4) == 'uR\1\0' and now < struct.unpack('>i8', old, 45)
    and redis.call('ZSCORE', KEYS[1] .. ':o', ARGV[3]) then
    return {now, 'AGAIN', old}
  end
  return {now, 'NO', old}
end
local record = ARGV[2] .. ARGV[3] .. struct.pack('>i8', deadline + tonumber(ARGV[4])) .. ARGV[5]
redis.call('SET', KEYS[1], record, 'PXAT', math.min(math.max(tonumber(ARGV[6]), now) + 300000, 9e15))
return {now, 'DONE'}
