-- What is known of a tag: 1 | number, -1 when it is not known | mark of who found out, 16 | { operation 16 | noted at }*
-- ARGV: 1 deadline; 2 what to do, and then
--   'claim': 3 sequence at the start of a load; 4 ms to live; 5 a new mark. Makes the tag known: a mark first, a number later.
--   'settle': 3 the mark that was seen; 4 number, read after that; 5 sequence at the start. Puts the number where the mark still is.
--   'raise': 3 number; 4 operation. Invalidates: a mark that is there is taken away, so that its number comes too late.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now >= tonumber(ARGV[1]) then return {now, 'LATE'} end

local none = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
local tag = redis.call('GET', KEYS[1])
local number, mark, done = -1, none, ''
if tag and #tag >= 25 and string.byte(tag) == 1 then
  number, mark = struct.unpack('>i8c16', tag, 2)
  done = string.sub(tag, 26)
end
local left = redis.call('PTTL', KEYS[1])
local function put(ttl)
  -- a removal comes first: a server that is full lets pass what follows it
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[1], struct.pack('>Bi8c16', 1, number, mark) .. done, 'PX', math.max(ttl, left))
end

if ARGV[2] == 'claim' then
  local ttl = tonumber(ARGV[4])
  if number >= 0 then
    if number > tonumber(ARGV[3]) then return {now, 'OVER'} end
    if left < ttl then redis.call('PEXPIRE', KEYS[1], ttl) end
    return {now, 'OK'}
  end
  if mark == none then mark = ARGV[5] end
  put(ttl)
  return {now, 'NEW', mark}
end
if ARGV[2] == 'settle' then
  if number < 0 then
    if mark ~= ARGV[3] then return {now, 'OVER'} end
    number, mark = tonumber(ARGV[4]), none
    put(1)
  end
  return {now, number <= tonumber(ARGV[5]) and 'OK' or 'OVER'}
end
local kept, again = {}, false
for at = 1, #done - 23, 24 do
  local op, noted = struct.unpack('>c16i8', done, at)
  if op == ARGV[4] then again = true end
  if now < noted + 60000 then kept[#kept + 1] = string.sub(done, at, at + 23) end
end
if not again then
  if #kept > 15 then table.remove(kept, 1) end
  kept[#kept + 1] = struct.pack('>c16i8', ARGV[4], now)
  done, mark = table.concat(kept), none
  if number >= 0 then number = math.max(number, tonumber(ARGV[3])) end
end
-- written in any case, so that a caller who waits for replicas waits for this
put(60000)
return {now, 'DONE'}
