-- The awkward messages of spec/messages/corpus, and what a parsed message shows
-- of itself to anyone who asks.
local corpus = { names = {}, paths = {}, text = {} }

local function list_files()
  local pipe = assert(io.popen("ls spec/messages/corpus"))
  for file in pipe:lines() do
    local name = file:match("^(.+)%.eml$")
    if name then
      local path = "spec/messages/corpus/" .. file
      local handle = assert(io.open(path, "rb"))
      corpus.names[#corpus.names + 1] = name
      corpus.paths[#corpus.paths + 1] = path
      corpus.text[name] = handle:read("*a")
      handle:close()
    end
  end
  pipe:close()
end

list_files()

--- The names of what was wrong with a part, sorted; those in `but` left out.
function corpus.defects(part, but)
  local names = {}
  for _, defect in ipairs(part.defects) do
    local name = type(defect) == "table" and defect.name or defect
    if not (but and but[name]) then names[#names + 1] = name end
  end
  table.sort(names)
  return table.concat(names, " ")
end

local function dump_part(part)
  local kind = part:is_multipart() and "multi" or "leaf"
  local lines = { part:get_content_type(), part:get_content_charset() or "-", part:get_content_disposition() or "-",
    part:get_filename() or "-", kind, part.preamble or "-", part.epilogue or "-" }
  for _, field in ipairs(part:items()) do
    lines[#lines + 1] = field[1] .. "=" .. field[2] .. "=" .. part:raw(field[1])
  end
  if kind == "multi" then
    lines[#lines + 1] = tostring(#part:get_payload())
  else
    lines[#lines + 1] = part:get_payload()
    lines[#lines + 1] = part:get_payload(nil, true)
    lines[#lines + 1] = part:get_content() or "-"
  end
  lines[#lines + 1] = corpus.defects(part)
  return table.concat(lines, "\1")
end

--- All that a message says of itself, as one string: equal messages, equal strings.
function corpus.dump(m)
  local parts = {}
  for part in m:walk() do parts[#parts + 1] = dump_part(part) end
  return table.concat(parts, "\2")
end

--- What is written of a message that nobody changed, mbox line and all.
function corpus.written(m, text)
  local from = m:get_unixfrom()
  local bytes = assert(m:as_bytes { eol = "keep" })
  if not from then return bytes end
  return from .. (text:match("^[^\r\n]*(\r?\n?)") or "") .. bytes
end

return corpus
