-- Random messages by a seed: trees of multiparts, texts in many charsets and
-- shapes, attachments from all kinds of sources, messages in messages.
local email = require "smtplib.email"
local chance = require "spec.sim.chance"
local Message = email.Message

local random = {}

local letters = {
  ascii = { "a", "b", "Z", "0", "-", "=", "?", "_", "%", "<", "\"", "\\", ",", "@", "(", ")", ";", ":", "'" },
  latin = { "\195\164", "\195\159", "\195\169", "e", "n", "\195\184" },
  greek = { "\206\177", "\207\137", "\206\169", "x" },
  japanese = { "\230\151\165", "\230\156\172", "\227\129\130", "\227\130\171" },
  other = { "\240\159\142\137", "e\204\129", "\226\130\172", "\215\144", "\239\187\191" },
}
local kinds = { "ascii", "ascii", "latin", "greek", "japanese", "other" }

-- `count` times what `f` gives, joined.
local function join(count, f, separator)
  local list = {}
  for i = 1, count do list[i] = f() end
  return table.concat(list, separator)
end

-- A word; what begins or ends it is no blank.
local function word(d, kind, most)
  local alphabet = letters[kind]
  return join(d:number(most or 12), function() return d:pick(alphabet) end)
end

--- Text for a header: words with single blanks between them.
function random.phrase(d)
  local kind = d:pick(kinds)
  local most = d:once_in(8) and 120 or 12
  return join(d:number(8), function() return word(d, d:once_in(4) and "ascii" or kind, most) end, " ")
end

local lines = {
  "", ".", "..", "From me", ">From me", "--", "-- ", "--=_0123456789abcdef", "trailing \t ", "\tindented",
  "=", "=3D", "=\t", "begin 644 x", "Subject: no header", ("x"):rep(76), ("y"):rep(77), ("z"):rep(998), ("w"):rep(1200),
}

--- Lines of text; it ends with a line end.
function random.text(d, kind)
  return join(d:number(d:once_in(10) and 200 or 6), function()
    if d:once_in(3) then return d:pick(lines) end
    return join(d:number(12), function() return word(d, kind) end, " ")
  end, "\n") .. "\n"
end

--- Any bytes.
function random.bytes(d)
  return join(d:number(300) - 1, function() return string.char(d:number(256) - 1) end)
end

local charsets = {
  ascii = { "us-ascii", "iso-8859-15", "utf-8" }, latin = { "iso-8859-1", "windows-1252", "utf-8" },
  greek = { "iso-8859-7", "utf-8" }, japanese = { "iso-2022-jp", "euc-jp", "shift_jis", "utf-8" }, other = { "utf-8" },
}

local function leaf(d, known)
  local m, kind = Message(), d:pick(kinds)
  local text = random.text(d, kind)
  local opts = { type = d:pick { "text/plain", "text/html", "text/x-own" } }
  if d:once_in(3) then opts.charset = d:pick(charsets[kind]) end
  if d:once_in(4) then opts.cte = d:pick { "base64", "quoted-printable" } end
  if d:once_in(4) then opts.disposition = "inline" end
  if d:once_in(6) then opts.filename = random.phrase(d) end
  m:set_content(text, opts)
  known[m] = { text = text }
  return m
end

-- The same bytes as a string, a function, a file by its path, an open file.
local function source_of(d, bytes, files)
  local way = d:number(4)
  if way == 1 then return bytes end
  if way == 2 then
    local at = 1
    return function()
      if at > #bytes then return nil end
      local piece = bytes:sub(at, at + 6)
      at = at + #piece
      return piece
    end
  end
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  files[#files + 1] = path
  return way == 3 and { path = path } or assert(io.open(path, "rb"))
end

local function attachment(d, known, files)
  local m, bytes = Message(), random.bytes(d)
  m:set_content(source_of(d, bytes, files), {
    type = d:pick { "application/octet-stream", "image/png", "application/x-a" },
    disposition = "attachment", filename = random.phrase(d), cid = d:once_in(3) and "a" .. d:number(999) .. "@b" or nil,
  })
  known[m] = { bytes = bytes }
  return m
end

local addresses = {
  "a@example.org", "b.c@example.org", '"odd local"@example.org', "x@[127.0.0.1]", "very-long-name@" .. ("d"):rep(60) .. ".example",
}

local function put_header(d, m)
  m["Subject"] = random.phrase(d)
  m["From"] = { name = random.phrase(d), addr = d:pick(addresses) }
  local to = {}
  for i = 1, d:number(5) do to[i] = d:once_in(3) and d:pick(addresses) or { name = random.phrase(d), addr = d:pick(addresses) } end
  m["To"] = to
  if d:once_in(3) then m["X-Own"] = random.phrase(d) end
end

local node

local function multipart(d, depth, known, files)
  local m = Message()
  m["Content-Type"] = "multipart/" .. d:pick { "mixed", "alternative", "related", "x-own" }
  local parts = {}
  for i = 1, d:number(3) do parts[i] = node(d, depth + 1, known, files) end
  m:set_payload(parts)
  if d:once_in(5) then m.preamble = "a preamble\n" .. random.phrase(d):gsub("[\128-\255]", "?"):sub(1, 70) end
  if d:once_in(5) then m.epilogue = "an epilogue\n" end
  return m
end

function node(d, depth, known, files)
  local way = d:number(depth > 3 and 2 or 5)
  if way == 1 then return leaf(d, known) end
  if way == 2 then return attachment(d, known, files) end
  if way < 5 then return multipart(d, depth, known, files) end
  local m, inner = Message(), node(d, depth + 1, known, files)
  put_header(d, inner)
  m:set_content(inner)
  return m
end

--- A random message; for each of its leaves what it was made of ({text=} in UTF-8
--- or {bytes=}), and the files that it needs.
---@param seed integer
---@return userdata m, table known, string[] files
function random.message(seed)
  local d, known, files = chance.new(seed), {}, {}
  local m = node(d, 1, known, files)
  put_header(d, m)
  return m, known, files
end

return random
