-- All entries of a principal's index, for a reader, or with ARGV[2] for a writer, who must not be late.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] == '1' and now >= tonumber(ARGV[1]) then return {now, 'LATE'} end
return {now, 'DONE', redis.call('HGETALL', KEYS[1])}
