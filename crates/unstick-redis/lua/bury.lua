-- Ends a session of a principal, or one that is about to become the principal's.
-- ARGV: 1 deadline; 2 time, skew, operation; 3 the principal; 4 the session's entry in the principal's index.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now >= tonumber(ARGV[1]) then return {now, 'LATE'} end

local at, skew, op = struct.unpack('>i8i8c16', ARGV[2])
local format, kind, entered, reserved, arrives = struct.unpack('>BBc16i8i8', ARGV[4])
if format ~= 1 then return {now, 'LEFT'} end
local pending = at < reserved
local arriving = now < arrives + 300000

local head = redis.call('GETRANGE', KEYS[1], 0, 59)
local till, live = math.max(at, reserved), 0
if head == '' then
  if not pending and not arriving then return {now, 'GONE'} end
elseif string.sub(head, 1, 4) == 'uR\1\1' and #head == 37 then
  return {now, 'GONE'}
elseif string.sub(head, 1, 4) ~= 'uR\1\0' or #head < 60 then
  return {now, 'LEFT'}
else
  local idle, absolute, aside, ops_at, fields_at = struct.unpack('>i8xxxxxxxxxxxxxxxxxxxxxxxxi8i8I4I4', head, 5)
  local record = redis.call('GETRANGE', KEYS[1], 0, fields_at - 1)
  if ops_at < 110 or fields_at < ops_at or #record < fields_at then return {now, 'LEFT'} end
  if string.sub(record, 110, ops_at) ~= '\1' .. ARGV[3] and not pending then
    -- of another principal, or of none: unless a promotion is under way, the entry is an old one
    if kind ~= 1 or not arriving then return {now, 'GONE'} end
    local ops = string.sub(record, ops_at + 1)
    local seen = string.find(ops, entered, 1, true)
    while seen and (seen - 1) % 24 ~= 0 do seen = string.find(ops, entered, seen + 1, true) end
    if seen or (now < aside and redis.call('ZSCORE', KEYS[1] .. ':o', entered)) then return {now, 'GONE'} end
  end
  till = math.max(till, idle)
  if at < idle and at < absolute then live = 1 end
end

local tombstone = struct.pack('>c4i8i8c16B', 'uR\1\1', at, till + skew, op, live)
local expiry = math.min(math.max(till + skew, now + 300000), 9e15)
local set = redis.pcall('SET', KEYS[1], tombstone, 'PXAT', expiry)
if set.err then
  if not string.find(set.err, 'OOM', 1, true) then return set end
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[1], tombstone, 'PXAT', expiry)
end
return {now, 'ENDED', live}
