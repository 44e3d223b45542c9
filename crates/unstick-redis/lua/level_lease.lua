-- Reads a value, or takes the lease when there is nothing fresh enough and nobody holds it.
-- ARGV: 1 deadline; 2 schema; 3 fresh for more than, ms; 4 lease, ms; 5 token; 6 epoch; 7 lease of a value that is void, or '';
--   8 whether the epoch is known to be the present one: then what belongs to another is void.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now >= tonumber(ARGV[1]) then return {now, 'LATE'} end

local held = redis.call('HMGET', KEYS[1], 'v' .. ARGV[2], 'l' .. ARGV[2])
local value, lease = held[1], held[2]
local epoch, sure = ARGV[6], ARGV[8] == '1'
-- values and leases of another format count as missing
local fresh = 0
if value and #value >= 51 and string.byte(value) == 1 then
  local of, _, till, kept, by = struct.unpack('>c8i8i8i8c16', value, 2)
  if of ~= epoch and not sure then return {now, 'ELSE'} end
  if of ~= epoch or now >= kept or by == ARGV[7] then value = '' else fresh = till - now end
else
  value = ''
end
if value ~= '' and fresh > tonumber(ARGV[3]) then return {now, 'FOUND', now, value} end

if lease and #lease == 34 and string.byte(lease) == 1 then
  local of, token, till, awaited = struct.unpack('>c8c16i8B', lease, 2)
  if of ~= epoch and not sure then return {now, 'ELSE'} end
  if of == epoch and now < till and token ~= ARGV[5] then
    if awaited == 0 then
      redis.call('HSET', KEYS[1], 'l' .. ARGV[2], struct.pack('>Bc8c16i8B', 1, of, token, till, 1))
    end
    return {now, 'HELD', now, value, till - now}
  end
end
local till = now + tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'l' .. ARGV[2], struct.pack('>Bc8c16i8B', 1, epoch, ARGV[5], till, 0))
local left = redis.call('PTTL', KEYS[1])
if left < 0 or till + 10000 > now + left then redis.call('PEXPIREAT', KEYS[1], till + 10000) end
return {now, 'LEASED', now, value}
