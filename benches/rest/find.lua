-- wrk: GET every id of a file, the same ids again when they are through; counts those that are not found.
-- Arguments: token, path of the messages, file of ids.
local threads = {}
local number = 0

function setup(thread)
    number = number + 1
    thread:set("id", number)
    table.insert(threads, thread)
end

function init(args)
    token, path = args[1], args[2]
    ids, at, found, missing, last = {}, 0, 0, 0, ""
    for line in io.lines(args[3] .. "." .. id) do ids[#ids + 1] = line end
    count = #ids
    headers = { ["Authorization"] = "Bearer " .. token }
end

function request()
    at = at + 1
    return wrk.format("GET", path .. "/" .. ids[(at - 1) % count + 1], headers)
end

function response(status, _, body)
    if status == 200 then
        found = found + 1
    else
        missing = missing + 1
        last = status .. " " .. body:sub(1, 200)
    end
end

function done(summary, latency)
    local ids, found, missing, said, all = 0, 0, 0, "", 1
    for _, thread in ipairs(threads) do
        ids = ids + thread:get("count")
        found = found + thread:get("found")
        missing = missing + thread:get("missing")
        if thread:get("found") < thread:get("count") then all = 0 end
        if thread:get("last") ~= "" then said = thread:get("last") end
    end
    local e = summary.errors
    io.write(string.format('\n{"ids":%d,"found":%d,"missing":%d,"all":%d,"said":"%s","microseconds":%d,"errors":%d}\n',
        ids, found, missing, all, said:gsub('[\\"%c]', " "), summary.duration, e.connect + e.read + e.write + e.timeout))
end
