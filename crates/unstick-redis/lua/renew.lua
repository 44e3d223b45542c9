-- Reads a session and moves its idle deadline, which is never moved back. Answers with the record as it was before.
-- ARGV: 1 deadline; 2 time, credential and renewal.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now >= tonumber(ARGV[1]) then return {now, 'LATE'} end

local all = redis.call('GET', KEYS[1])
if not all then return {now, 'MISSING'} end
if #all < 110 or string.sub(all, 1, 4) ~= 'uR\1\0' then return {now, 'NO', all} end
local at, presented, issued, renewed, again_issued = struct.unpack('>i8c16i8i8i8', ARGV[2])
local idle, reissued, secret, absolute = struct.unpack('>i8i8c16i8', all, 5)
if at >= idle or at >= absolute then return {now, 'NO', all} end
if presented ~= secret then
  local previous, grace, since, had = struct.unpack('>c16i8i8B', all, 77)
  if had == 0 or presented ~= previous then return {now, 'NO', all} end
  if at >= grace and (since == 0 or issued < since) then return {now, 'NO', all} end
end

local next_idle = math.min(math.max(idle, renewed), absolute)
local next_reissued = math.max(reissued, again_issued)
if next_idle ~= idle or next_reissued ~= reissued then
  -- a server without room for the renewal can still be read from
  local written = redis.pcall('SETRANGE', KEYS[1], 4, struct.pack('>i8i8', next_idle, next_reissued))
  if type(written) == 'table' and written.err then return {now, 'NO', all} end
  if next_idle ~= idle then redis.call('PEXPIREAT', KEYS[1], math.min(math.max(next_idle, now) + 300000, 9e15)) end
end
return {now, 'DONE', all}
