-- Reads a value as it is stored. ARGV: 1 deadline, which a read needs not; 2 schema.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local value = redis.call('HGET', KEYS[1], 'v' .. ARGV[2])
return {now, 'READ', now, value or ''}
