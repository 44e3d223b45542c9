-- Gives a lease back, with a value or without. ARGV: 1 deadline; 2 schema; 3 token;
--   and for a value: 4 fresh, ms; 5 kept, ms; 6 epoch; 7 sequence; 8 tags and bytes.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now >= tonumber(ARGV[1]) then return {now, 'LATE'} end

local lease = redis.call('HGET', KEYS[1], 'l' .. ARGV[2])
if not lease or #lease ~= 34 or string.byte(lease) ~= 1 then return {now, 'GONE'} end
local epoch, token, till, awaited = struct.unpack('>c8c16i8B', lease, 2)
if token ~= ARGV[3] or now >= till then return {now, 'GONE'} end
redis.call('HDEL', KEYS[1], 'l' .. ARGV[2])
if not ARGV[4] then return {now, 'DONE', awaited} end
if epoch ~= ARGV[6] then return {now, 'GONE'} end
local fresh, kept = now + tonumber(ARGV[4]), now + tonumber(ARGV[5])
local head = struct.pack('>Bc8i8i8i8c16', 1, epoch, tonumber(ARGV[7]), fresh, kept, token)
redis.call('HSET', KEYS[1], 'v' .. ARGV[2], head .. ARGV[8])
local left = redis.call('PTTL', KEYS[1])
if left < 0 or kept + 10000 > now + left then redis.call('PEXPIREAT', KEYS[1], kept + 10000) end
return {now, 'DONE', awaited}
