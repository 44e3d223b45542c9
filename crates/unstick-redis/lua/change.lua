-- Applies changes to live sessions and, where there is a rotation, replaces their secrets: each change all or nothing, for itself.
-- ARGV for each key: 1 how many more of them are its own; 2 deadline; 3 operation, change and renewal; 4 rotation or ''; 5 new fields;
-- preconditions (name, version); names to drop. Answers with the time, and for each key with what became of it.
-- What is refused is answered with the record: the caller judges it by the reference rules.
local call, sub, find, pack, unpack_numbers, KEYS, ARGV = redis.call, string.sub, string.find, struct.pack, struct.unpack, KEYS, ARGV
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function change(key, first_arg, last_arg)
  local deadline = tonumber(ARGV[first_arg])
  if now >= deadline then return 'LATE' end

  local all = call('GET', key)
  if not all then return 'MISSING' end
  local length = #all
  if length < 110 or sub(all, 1, 4) ~= 'uR\1\0' then return {'NO', all} end
  local at, presented, issued, op, keep, clear, max, added, renewed, again_issued, conditions =
    unpack_numbers('>i8c16i8c16i8Bi8i8i8i8I4', ARGV[first_arg + 1])
  local idle, reissued, secret, absolute, aside, ops_at, fields_at = unpack_numbers('>i8i8c16i8i8I4I4', all, 5)
  if ops_at < 110 or fields_at < ops_at or fields_at > length or (fields_at - ops_at) % 24 ~= 0 then return {'NO', all} end

  -- an operation that is in already
  local seen = nil
  if ops_at < fields_at then
    local ops = sub(all, ops_at + 1, fields_at)
    seen = find(ops, op, 1, true)
    while seen and (seen - 1) % 24 ~= 0 do seen = find(ops, op, seen + 1, true) end
  end
  if not seen and now < aside then seen = call('ZSCORE', key .. ':o', op) end
  if seen then return {'AGAIN', all} end

  -- the credential's standing: 0 current, 1 in its grace, 2 reordered
  if at >= idle or at >= absolute then return {'NO', all} end
  local proof = 0
  if presented ~= secret then
    local previous, grace, since, had = unpack_numbers('>c16i8i8B', all, 77)
    if had == 0 or presented ~= previous then return {'NO', all} end
    if at < grace then proof = 1 elseif since ~= 0 and issued >= since then proof = 2 else return {'NO', all} end
  end
  local rotation = ARGV[first_arg + 2]
  local graced = 0
  local next_secret, grace_until, next_idle, overlap, renamed
  if rotation ~= '' then
    next_secret, graced, grace_until, next_idle, overlap, renamed = unpack_numbers('>c16Bi8i8i8B', rotation)
    if proof == 1 and graced == 0 then return {'NO', all} end
  end

  -- the fields: runs of those that stay are copied whole; names of other lengths than those asked for are not even looked at
  local expected, drop, lengths = nil, nil, nil
  local arg = first_arg + 4
  local only, only_length = nil, -1
  if conditions == 0 and arg == last_arg then
    -- one name to drop, as a rule
    only = ARGV[arg]
    only_length = #only
  else
    drop, lengths = {}, {}
    if conditions > 0 then
      expected = {}
      for _ = 1, conditions do
        expected[ARGV[arg]] = ARGV[arg + 1]
        lengths[#ARGV[arg]] = true
        arg = arg + 2
      end
    end
    for i = arg, last_arg do
      drop[ARGV[i]] = true
      lengths[#ARGV[i]] = true
    end
  end
  local pieces = {false, false, false, ARGV[first_arg + 3]}
  local count = 4
  local size, dropped = 0, 0
  local pos, from, stop = fields_at + 1, fields_at + 1, length + 1
  while pos < stop do
    if pos + 16 > stop then return {'NO', all} end
    local name_length, value_length = unpack_numbers('>I4I4', all, pos)
    local both = name_length + value_length
    local after = pos + 16 + both
    if after > stop then return {'NO', all} end
    size = size + both
    local gone = false
    if name_length == only_length then
      gone = sub(all, pos + 16, pos + 15 + name_length) == only
    elseif lengths and lengths[name_length] then
      local name = sub(all, pos + 16, pos + 15 + name_length)
      if expected and expected[name] then
        if expected[name] ~= sub(all, pos + 8, pos + 15) then return {'NO', all} end
        expected[name] = nil
      end
      gone = drop[name]
    end
    if gone then
      dropped = dropped + both
      if from < pos then
        count = count + 1
        pieces[count] = sub(all, from, pos - 1)
      end
      from = after
    end
    pos = after
  end
  if expected then
    for _, version in pairs(expected) do
      if version ~= '\0\0\0\0\0\0\0\0' then return {'NO', all} end
    end
  end
  local total = added
  if clear == 0 then total = size - dropped + added end
  if max > 0 and total > max and total > size then return {'NO', all} end
  if clear == 1 then
    pieces = {false, false, false, ARGV[first_arg + 3]}
  elseif from < stop then
    pieces[count + 1] = sub(all, from)
  end

  -- operations to remember: many within their deadlines are put aside, so that the record stays small
  local first = ops_at + 1
  while first < fields_at and unpack_numbers('>i8', all, first + 16) <= now do first = first + 24 end
  if fields_at - first >= 768 then
    local members = {}
    for i = first, fields_at - 23, 24 do
      local till = unpack_numbers('>i8', all, i + 16)
      members[#members + 1] = till
      members[#members + 1] = sub(all, i, i + 15)
      if till > aside then aside = till end
    end
    local side = key .. ':o'
    call('ZADD', side, unpack(members))
    call('ZREMRANGEBYSCORE', side, '-inf', now)
    call('PEXPIREAT', side, aside + 1000)
    first = fields_at + 1
  end
  local kept = fields_at + 1 - first

  -- deadlines, secrets, principal
  local before = idle
  if renewed > idle then idle = math.min(renewed, absolute) end
  if again_issued > reissued then reissued = again_issued end
  local rotated = 0
  if rotation == '' or proof == 1 then
    if first == ops_at + 1 then
      pieces[2] = sub(all, 61, fields_at)
    else
      pieces[2] = sub(all, 61, ops_at) .. sub(all, first, fields_at)
    end
  else
    local turned, created = unpack_numbers('>i8i8', all, 61)
    local principal = sub(all, 110, ops_at)
    local previous, since = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0', 0
    if graced == 1 then
      previous = secret
      if reissued >= overlap then since = math.max(overlap, turned + 1) end
    end
    if renamed == 1 then principal = '\1' .. sub(rotation, 43) end
    secret, reissued, rotated = next_secret, 0, 1
    if next_idle > idle then idle = math.min(next_idle, absolute) end
    pieces[2] = pack('>i8i8c16i8i8B', at, created, previous, grace_until, since, graced) .. principal .. sub(all, first, fields_at)
    ops_at = 109 + #principal
  end
  pieces[3] = pack('>c16i8', op, deadline + keep)
  pieces[1] = pack('>c4i8i8c16i8i8I4I4', 'uR\1\0', idle, reissued, secret, absolute, aside, ops_at, ops_at + kept + 24)

  if idle == before then
    call('SET', key, table.concat(pieces), 'KEEPTTL')
  else
    call('SET', key, table.concat(pieces), 'PXAT', math.min(math.max(idle, now) + 300000, 9e15))
  end
  return pack('>c4Bi8Bi8', 'DONE', proof, idle, rotated, absolute)
end

local answers, arg = {now}, 1
for i = 1, #KEYS do
  local last = arg + ARGV[arg]
  local ok, answer = pcall(change, KEYS[i], arg + 1, last)
  -- an error is the one change's own: others may be done already
  if not ok and type(answer) ~= 'table' then answer = {err = tostring(answer)} end
  answers[i + 1] = answer
  arg = last + 1
end
return answers
