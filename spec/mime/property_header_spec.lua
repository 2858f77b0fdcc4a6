-- Random header fields, with Python's email package as the judge of both ways:
-- what we compose it reads as it was given, without a defect and within 78
-- columns; what it composes we read as it was given. The seed is in every
-- complaint; SEED=n repeats a run.
local judge = require "spec.mime.judge"
local email = require "smtplib.email"

local Message, utils = email.Message, email.utils

local seed = tonumber(os.getenv "SEED") or os.time() % 1000000
local MESSAGES = 150

local function to_hex(s)
  if s == "" then return "-" end
  return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function from_hex(s)
  if s == "-" then return "" end
  return (s:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end

-- What header_judge.py prints, a table for each message.
local function ask(mode, lines)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(table.concat(lines, "\n"), "\n")
  file:close()
  local list = {}
  local pipe = assert(io.popen("/usr/bin/python3 spec/mime/header_judge.py " .. mode .. " " .. path))
  for line in pipe:lines() do
    local kind, first, second = line:match("^(%S+) (%S+) ?(%S*)$")
    local got = list[#list]
    if kind == "message" then
      list[#list + 1] = { longest = tonumber(first), addresses = {}, groups = {}, params = {}, defects = {}, references = {} }
    elseif kind == "address" then
      got.addresses[#got.addresses + 1] = { from_hex(first), from_hex(second) }
      got.groups[#got.groups] = got.groups[#got.groups] .. " " .. from_hex(second)
    elseif kind == "group" then
      got.groups[#got.groups + 1] = from_hex(first)
    elseif kind == "reference" then
      got.references[#got.references + 1] = from_hex(first)
    elseif kind == "param" then
      got.params[from_hex(first)] = from_hex(second)
    elseif kind == "defect" then
      got.defects[#got.defects + 1] = from_hex(first)
    else
      got[kind] = from_hex(first)
    end
  end
  pipe:close()
  os.remove(path)
  return list
end

local letters = { "a", "b", "Z", "0", "9", "x" }
local characters = {
  "a", "e", "n", "R", "S", "T", "1", "8", "\195\188", "\195\159", "\208\150", "\227\129\130", "\230\151\165", "\240\159\152\128", "\204\136",
  "=", "?", "_", "=?", "?=", "=?utf-8?q?", '"', "\\", "(", ")", "<", ">", ",", ";", ":", "@", ".", "'", "%", "*", "-", "/", "&",
  "%41", "=41", "utf-8''",
}

local function pick(list) return list[math.random(#list)] end

local function make_word(from, most)
  local pieces = {}
  for i = 1, math.random(1, most) do pieces[i] = pick(from) end
  return table.concat(pieces)
end

-- Words with one blank between them.
local function make_text(words, most)
  local pieces = {}
  for i = 1, math.random(1, words) do
    pieces[i] = make_word(math.random() < 0.5 and letters or characters, math.random() < 0.05 and 90 or most)
  end
  return table.concat(pieces, " ")
end

local function make_addr()
  local name = make_word(letters, 12)
  if math.random() < 0.2 then name = '"' .. make_word({ "a", " ", "@", ",", "<", ">", ";", "(", ":", '\\"', "\\\\", "b" }, 10) .. ' x"' end
  if math.random() < 0.2 then name = make_word(letters, 5) .. "." .. make_word({ "!", "#", "+", "a", "_", "'" }, 6) end
  return name .. "@" .. make_word(letters, 8) .. "." .. make_word({ "a", "b" }, 5)
end

local function make_mailbox() return { make_text(5, 12), make_addr() } end

local function make_message()
  local given = { subject = make_text(25, 14), keywords = make_text(8, 8), filename = make_text(6, 20), references = {}, params = {} }
  local texts = {}
  given.addresses, given.groups = {}, {}
  for _ = 1, math.random(1, 6) do
    local members = {}
    local group = math.random() < 0.25 and make_text(3, 8)
    for i = 1, group and math.random(0, 4) or 1 do
      local mailbox = make_mailbox()
      given.addresses[#given.addresses + 1] = mailbox
      members[i] = assert(utils.formataddr(mailbox))
      if not group then given.groups[#given.groups + 1] = " " .. mailbox[2] end
    end
    local text = table.concat(members, ", ")
    if group then
      local addrs = {}
      for i = 1, #members do addrs[i] = " " .. given.addresses[#given.addresses - #members + i][2] end
      given.groups[#given.groups + 1] = group .. table.concat(addrs)
      text = assert(utils.formataddr { group, "a@b" }):gsub(" <a@b>$", "") .. ": " .. text .. ";"
    end
    texts[#texts + 1] = text
  end
  given.to = table.concat(texts, ", ")
  for i = 1, math.random(1, 12) do
    given.references[i] = ("<%s@%s>"):format(make_word(letters, math.random() < 0.1 and 60 or 30), make_word(letters, 10))
  end
  for _ = 1, math.random(1, 4) do given.params["p" .. make_word({ "a", "b", "-" }, 3)] = make_text(6, 15) end
  return given
end

local function compose(given)
  local m = Message()
  m["Subject"], m["To"], m["Keywords"] = given.subject, given.to, (given.keywords:gsub('[,()<>@;:\\".%[%]]', ""))
  m["References"] = table.concat(given.references, " ")
  m["Content-Type"] = "text/plain"
  for name, value in pairs(given.params) do m:set_param(name, value) end
  m:add_header("Content-Disposition", "attachment", { filename = given.filename })
  m:set_payload("x")
  return assert(m:as_bytes())
end

-- A line that is longer than 78 has nothing to break it at.
local function check_lines(raw, where)
  for line in raw:match("^(.-)\n\n"):gmatch("[^\n]+") do
    assert.is_true(#line <= 998, where)
    local rest = line:gsub("^[%w-]+: ", ""):gsub("^[ \t]+", "")
    if #line > 78 then assert.is_nil(rest:find("[ \t]"), where .. ": " .. line) end
  end
end

-- What Python does on its own: it unquotes a file name once more, and
-- keeps the white space between encoded-words in a phrase.
local function plain_name(name)
  local quoted = name:match('^"(.*)"$')
  return quoted and quoted:gsub("\\\\", "\\"):gsub('\\"', '"') or name:match("^<(.*)>$") or name
end
local function squeezed(text) return (text:gsub(" ", "")) end
local function same_addresses(a, b)
  for i = 1, math.max(#a, #b) do
    if not a[i] or not b[i] or a[i][2] ~= b[i][2] then return false end
  end
  return true
end
local function all_squeezed(list)
  local result = {}
  for i, text in ipairs(list) do result[i] = squeezed(text) end
  return result
end

describe("random header fields that Python reads", function()
  if not judge.available then return pending "no /usr/bin/python3" end

  local given, raw, read = {}, {}, nil
  setup(function()
    math.randomseed(seed)
    local lines = {}
    for i = 1, MESSAGES do
      given[i] = make_message()
      raw[i] = compose(given[i])
      lines[i] = to_hex(raw[i])
    end
    read = ask("read", lines)
  end)

  local function each(check)
    assert.equal(MESSAGES, #read)
    for i = 1, MESSAGES do
      check(read[i], given[i], ("SEED=%d, message %d:\n%s"):format(seed, i, raw[i]))
    end
  end

  it("have no defects", function()
    each(function(got, _, where) assert.same({}, got.defects, where) end)
  end)

  it("have no line over 78 columns that could be broken", function()
    for i = 1, MESSAGES do check_lines(raw[i], ("SEED=%d, message %d"):format(seed, i)) end
  end)

  it("have the subject that was given", function()
    each(function(got, was, where) assert.equal(was.subject, got.subject, where) end)
  end)

  it("have the mailboxes that were given", function()
    each(function(got, was, where)
      assert.equal(#was.addresses, #got.addresses, where)
      for i, mailbox in ipairs(was.addresses) do
        assert.equal(squeezed(mailbox[1]), squeezed(got.addresses[i][1]), where)
        assert.equal(mailbox[2], got.addresses[i][2], where)
      end
    end)
  end)

  it("have the groups that were given", function()
    each(function(got, was, where) assert.same(all_squeezed(was.groups), all_squeezed(got.groups), where) end)
  end)

  it("have the references that were given", function()
    each(function(got, was, where) assert.same(was.references, got.references, where) end)
  end)

  it("have the parameters that were given", function()
    each(function(got, was, where)
      assert.same(was.params, got.params, where)
      assert.equal(plain_name(was.filename), plain_name(got.filename or ""), where)
    end)
  end)

  it("are read by us as they were given, too", function()
    each(function(_, was, where)
      local m = email.message_from_string(where:match("\n(.*)$"))
      assert.equal(was.subject, m["Subject"], where)
      local found = assert(utils.getaddresses { m["To"] })
      assert.equal(#was.addresses, #found, where)
      for n, pair in ipairs(found) do assert.same(was.addresses[n], { pair[1], pair[2] }, where) end
      assert.equal(table.concat(was.references, " "), m["References"], where)
      assert.equal(was.filename, m:get_filename(), where)
      for name, value in pairs(was.params) do assert.equal(value, m:get_param(name), where) end
    end)
  end)
end)

for _, policy in ipairs { "modern", "classic" } do
  describe("random header fields that Python composes, by its " .. policy .. " classes,", function()
    if not judge.available then return pending "no /usr/bin/python3" end

    -- It writes what looks like an encoded-word as it is.
    local function without_words(text) return (text:gsub("=%?", "q")) end

    local given, made = {}, nil
    setup(function()
      math.randomseed(seed)
      local lines = {}
      for i = 1, MESSAGES do
        local was = { subject = without_words(make_text(25, 14)), filename = make_text(4, 14), addresses = {} }
        local words = { policy, to_hex(was.subject), to_hex(was.filename) }
        for n = 1, math.random(1, 5) do
          was.addresses[n] = make_mailbox()
          was.addresses[n][1] = without_words(was.addresses[n][1])
          words[#words + 1], words[#words + 2] = to_hex(was.addresses[n][1]), to_hex(was.addresses[n][2])
        end
        given[i], lines[i] = was, table.concat(words, " ")
      end
      made = ask("make", lines)
    end)

    -- Python's modern classes lose and add white space at encoded-words: there
    -- its own reading counts as well.
    local function check_text(was, found, python, where)
      if policy == "modern" then was, found, python = squeezed(was), squeezed(found), squeezed(python) end
      if found ~= python or policy == "classic" then assert.equal(was, found, where) end
    end

    local function each(check)
      assert.equal(MESSAGES, #made)
      local count = 0
      for i = 1, MESSAGES do
        -- It raises on some, and ends the header within others.
        if made[i].raw and made[i].filename then
          count = count + 1
          check(email.message_from_string(made[i].raw), given[i], made[i],
            ("SEED=%d, message %d:\n%s"):format(seed, i, made[i].raw))
        end
      end
      assert.is_true(count > MESSAGES / 2, count)
    end

    it("have the subject that it was given", function()
      each(function(m, was, python, where) check_text(was.subject, m["Subject"], python.subject, where) end)
    end)

    it("have the mailboxes that it was given", function()
      each(function(m, was, python, where)
        local found = utils.getaddresses { m["To"] }
        -- It forgets quotation marks where it folds; then it reads something else, too.
        if not found then
          assert.equal("modern", policy, where)
          assert.is_true(#python.defects > 0 or not same_addresses(python.addresses, was.addresses), where)
        end
        assert.equal(#was.addresses, #(found or was.addresses), where)
        for i, mailbox in ipairs(found or {}) do
          check_text(was.addresses[i][1], mailbox[1], python.addresses[i][1], where)
          assert.equal(was.addresses[i][2], mailbox[2], where)
        end
      end)
    end)

    it("have the file name that it was given", function()
      each(function(m, was, python, where) check_text(was.filename, m:get_filename(), python.filename, where) end)
    end)
  end)
end
