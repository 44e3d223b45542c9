-- Holds a lease for longer, if it is still the caller's. ARGV: 1 deadline; 2 schema; 3 token; 4 lease, ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now >= tonumber(ARGV[1]) then return {now, 'LATE'} end

local lease = redis.call('HGET', KEYS[1], 'l' .. ARGV[2])
if not lease or #lease ~= 34 or string.byte(lease) ~= 1 then return {now, 'GONE'} end
local epoch, token, till, awaited = struct.unpack('>c8c16i8B', lease, 2)
if token ~= ARGV[3] or now >= till then return {now, 'GONE'} end
till = now + tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'l' .. ARGV[2], struct.pack('>Bc8c16i8B', 1, epoch, token, till, awaited))
local left = redis.call('PTTL', KEYS[1])
if left < 0 or till + 10000 > now + left then redis.call('PEXPIREAT', KEYS[1], till + 10000) end
return {now, 'DONE', epoch}
