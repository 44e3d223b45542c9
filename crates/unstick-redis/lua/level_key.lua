-- Invalidates a key: takes out all values and leases, and notes the operation. ARGV: 1 deadline; 2 operation.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now >= tonumber(ARGV[1]) then return {now, 'LATE'} end

local done = redis.call('HGET', KEYS[1], 'i') or ''
local kept, again = {}, false
for at = 1, #done - 23, 24 do
  local op, noted = struct.unpack('>c16i8', done, at)
  if op == ARGV[2] then again = true end
  if now < noted + 60000 then kept[#kept + 1] = string.sub(done, at, at + 23) end
end
if again then
  -- written once more, so that a caller who waits for replicas waits for this
  redis.call('HSET', KEYS[1], 'i', done)
  return {now, 'AGAIN'}
end
if #kept > 15 then table.remove(kept, 1) end
kept[#kept + 1] = struct.pack('>c16i8', ARGV[2], now)
-- a removal comes first: a server that is full lets pass what follows it
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'i', table.concat(kept))
redis.call('PEXPIRE', KEYS[1], 60000)
return {now, 'DONE'}
