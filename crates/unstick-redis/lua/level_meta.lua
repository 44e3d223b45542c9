-- The epoch and the sequence: made when missing, advanced when asked to.
-- ARGV: 1 deadline; 2 a random epoch; 3 '' to look, 'tag' for the next number, 'all' for a new epoch; 4 operation.
-- A number is never below the time in microseconds: what a failover loses is not given out twice.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now >= tonumber(ARGV[1]) then return {now, 'LATE'} end

local meta = redis.call('GET', KEYS[1])
local micros = time[1] * 1000000 + time[2]
local epoch, seq, done = ARGV[2], micros, ''
if meta then
  if #meta < 17 or string.byte(meta) ~= 1 then return {now, 'NEWER'} end
  epoch, seq = struct.unpack('>c8i8', meta, 2)
  done = string.sub(meta, 18)
  if ARGV[3] == '' then return {now, 'DONE', meta} end
end
if ARGV[3] == 'tag' then seq = math.max(seq + 1, micros) end
if ARGV[3] == 'all' then
  local kept, again = {}, false
  for at = 1, #done - 23, 24 do
    local op, noted = struct.unpack('>c16i8', done, at)
    if op == ARGV[4] then again = true end
    if now < noted + 60000 then kept[#kept + 1] = string.sub(done, at, at + 23) end
  end
  if not again then
    if #kept > 15 then table.remove(kept, 1) end
    kept[#kept + 1] = struct.pack('>c16i8', ARGV[4], now)
    epoch, done = ARGV[2], table.concat(kept)
  end
end
meta = struct.pack('>Bc8i8', 1, epoch, seq) .. done
-- a removal comes first: a server that is full lets pass what follows it
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], meta)
return {now, 'DONE', meta}
