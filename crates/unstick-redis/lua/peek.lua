-- Reads a session without its fields, and whether an operation was applied to it.
-- ARGV: 1 deadline, which a read needs not; 2 the operation.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local head = redis.call('GETRANGE', KEYS[1], 0, 59)
if head == '' then return {now, 'MISSING', now} end
if #head < 60 or string.sub(head, 1, 4) ~= 'uR\1\0' then return {now, 'FOUND', now, head, 0} end
local aside, ops_at, fields_at = struct.unpack('>i8I4I4', head, 45)
local record = redis.call('GETRANGE', KEYS[1], 0, fields_at - 1)
local ops = string.sub(record, ops_at + 1)
local seen = string.find(ops, ARGV[2], 1, true)
while seen and (seen - 1) % 24 ~= 0 do seen = string.find(ops, ARGV[2], seen + 1, true) end
if not seen and now < aside then seen = redis.call('ZSCORE', KEYS[1] .. ':o', ARGV[2]) end
return {now, 'FOUND', now, record, seen and 1 or 0}
