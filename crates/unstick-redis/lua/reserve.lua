-- Takes a place for a session, unless so many others have one.
-- ARGV: 1 deadline; 2 the session; 3 how many places; 4 until when the place is held; 5 the operation;
-- then entries that need no place any more (session, entry).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now >= tonumber(ARGV[1]) then return {now, 'LATE'} end

local free = {}
for i = 6, #ARGV, 2 do free[ARGV[i]] = ARGV[i + 1] end
local all = redis.call('HGETALL', KEYS[1])
local others, mine = 0, nil
for i = 1, #all, 2 do
  if all[i] == ARGV[2] then
    mine = all[i + 1]
  elseif free[all[i]] ~= all[i + 1] then
    others = others + 1
  end
end
if others >= tonumber(ARGV[3]) then return {now, 'FULL', all} end

local till = tonumber(ARGV[4])
local kind, op, reserved, arrives, forget = 0, ARGV[5], till, 0, till
if mine then
  if #mine ~= 42 or string.byte(mine) ~= 1 then return {now, 'DONE'} end
  local held, known
  kind, op, held, arrives, known = struct.unpack('>Bc16i8i8i8', mine, 2)
  reserved, forget = math.max(reserved, held), math.max(forget, known)
end
redis.call('HSET', KEYS[1], ARGV[2], struct.pack('>BBc16i8i8i8', 1, kind, op, reserved, arrives, forget))
local expiry = math.min(math.max(forget, now) + 300000, 9e15)
local left = redis.call('PTTL', KEYS[1])
if left < 0 or expiry > now + left then redis.call('PEXPIREAT', KEYS[1], expiry) end
return {now, 'DONE'}
