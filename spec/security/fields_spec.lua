-- Header and MIME injection: what is accepted stays inside of its field, in every
-- output, whatever convenience it came by. The breaks that are refused are in
-- spec/mime/injection_spec.lua.
local smtplib = require "smtplib"
local wire = require "spec.security.wire"

local email = smtplib.email
local Message = email.Message

local function collect(source)
  local chunks = {}
  for chunk in source do chunks[#chunks + 1] = chunk end
  return table.concat(chunks)
end

local function on_the_wire(m)
  local server, peer = wire.connect {}
  assert(server:send_message(m, "a@example.org", "b@example.org"))
  return (peer.sent:match("DATA\r\n(.*\r\n)%.\r\n$"))
end

local outputs = {
  { "as_string", function(m) return m:as_string() end },
  { "as_string with the mbox line", function(m) return m:as_string(true) end },
  { "as_bytes", function(m) return m:as_bytes() end },
  { "tostring", tostring },
  { "source", function(m) return collect(m:source()) end },
  { "source for readers of UTF-8", function(m) return collect(m:source { utf8 = true, cte = "8bit" }) end },
  { "write to a function", function(m)
    local chunks = {}
    assert(m:write(function(chunk) chunks[#chunks + 1] = chunk end))
    return table.concat(chunks)
  end },
  { "write to a file", function(m)
    local file = assert(io.tmpfile())
    assert(m:write(file))
    file:seek("set")
    local text = file:read("*a")
    file:close()
    return text
  end },
  { "send_message", on_the_wire },
}

-- Names of the fields of the first header, by a reader that knows nothing but
-- lines; raises for a line that is neither a field nor the rest of one.
local function scan(text)
  local names, is_first = {}, true
  for line in (text:gsub("\r\n?", "\n") .. "\n"):gmatch("(.-)\n") do
    if line == "" then break end
    if not (is_first and line:find("^From ")) and not line:find("^[ \t]") then
      names[#names + 1] = assert(line:match("^([!-9;-~]+):"), ("not a field: %q"):format(line)):lower()
    end
    is_first = false
  end
  return names
end

local added = { date = true, ["message-id"] = true, ["mime-version"] = true, bcc = true }

local function without_added(names)
  local list = {}
  for _, name in ipairs(names) do
    if not added[name:lower()] then list[#list + 1] = name:lower() end
  end
  table.sort(list)
  return table.concat(list, " ")
end

local function check_outputs(m, note)
  for _, output in ipairs(outputs) do
    local text = assert(output[2](m))
    assert.equal(without_added(m:keys()), without_added(scan(text)), note or output[1])
  end
end

describe("One serializer for all outputs: behind CRLF in a header only white space or a field's name (CVE-2026-1299):",
  function()
    local evil = "x\226\128\168X-Evil: y\226\128\169X-Evil: y\194\133X-Evil: y =?utf-8?q?=0D=0AX-Evil:_y?= "
      .. ("w"):rep(120) .. " X-Evil: y " .. ("word "):rep(40) .. "X-Evil: y"

    for _, output in ipairs(outputs) do
      it(output[1], function()
        local m = assert(Message {
          from = { name = evil, addr = "a@example.org" }, to = '"x, X-Evil: y <c@example.org>" <b@example.org>', subject = evil,
          headers = { ["X-Long"] = evil, Keywords = evil, ["In-Reply-To"] = "<a@b>\t\t<X-Evil:@y>" }, text = "t", html = "h",
          attachments = { { content = "x", filename = evil, type = "text/plain", headers = { ["X-Part"] = evil } } },
        })
        assert.equal(without_added(m:keys()), without_added(scan(assert(output[2](m)))))
        for _, part in ipairs(m:get_payload()) do
          assert.equal(without_added(part:keys()), without_added(scan(part:as_string())))
        end
      end)
    end

    it("fields that were read with other line ends, changed or not", function()
      for _, mark in ipairs { "\r", "\n", "\r\n", "\r\r\n", "\0", "\11", "\12" } do
        local raw = "Subject: a" .. mark .. "Bcc: c@example.org\r\nFrom: a@example.org\r\nTo: b@example.org\r\n\r\nx\r\n"
        for _, is_changed in ipairs { false, true } do
          local m = email.message_from_string(raw)
          if is_changed then m["X-New"] = "y" end
          assert.is_nil(on_the_wire(m):match("^(.-)\r\n\r\n"):find("\nBcc:"), ("%q"):format(mark))
          check_outputs(m, ("%q"):format(mark))
        end
      end
    end)

    it("a field that cannot be folded is an error, never a longer line", function()
      for _, name in ipairs { "Message-ID", "References", "In-Reply-To" } do
        assert.error_matches(function() Message()[name] = "<" .. ("x"):rep(1200) .. "@b>" end, "header '" .. name .. "'", 1, true)
      end
      for _, name in ipairs { "X-A", "To", "Content-Type", "Keywords" } do
        local m = Message()
        local value = { To = ("x"):rep(1200) .. " <a@b>", ["Content-Type"] = 'a/b; name="' .. ("x"):rep(1200) .. '"' }
        m[name] = value[name] or ("x"):rep(1200)
        for line in m:as_string():gmatch("[^\n]+") do assert.is_true(#line <= 998, name) end
      end
    end)
  end)

describe("Values of parameters are tokens, quoted-strings with escapes, or RFC 2231; control characters never stand there raw:",
  function()
    local function set_in(m, how, value)
      if how == "add_header" then
        m:add_header("Content-Disposition", "attachment", { filename = value })
      elseif how == "set_param" then
        m["Content-Disposition"] = "attachment"
        m:set_param("filename", value, "Content-Disposition")
      else
        m:set_payload("x")
        m:add_attachment("y", { filename = value })
      end
    end

    local function written_in(m)
      local value = m:as_string():match("\nContent%-Disposition: attachment(.-)\n[^ \t]")
        or m:as_string():match("\nContent%-Disposition: attachment(.*)$")
      return value
    end

    for _, how in ipairs { "add_header", "set_param", "add_attachment" } do
      it("each byte, by " .. how, function()
        for c = 0, 127 do
          local value, m = "a" .. string.char(c) .. "b; x=y", Message { ["subject"] = "x" }
          local ok = pcall(set_in, m, how, value)
          local text = ok and written_in(m)
          local note = ("byte %d: %s"):format(c, tostring(text))
          assert.equal(not (c == 0 or c == 10 or c == 13), ok, note)
          if ok then
            assert.is_nil(text:gsub("\n[ \t]", ""):find("[%z\1-\31\127]"), note)
            local read = email.message_from_string("X: y" .. m:as_string():match("\nContent%-Disposition.*$"))
            assert.equal(value, read:get_filename(), note)
            assert.equal(2, #read:get_params(nil, "Content-Disposition"), note)
          end
        end
      end)
    end
  end)

describe("Every convenience field goes through the same validator:", function()
  local function field(name) return function(v) return Message { [name] = v, text = "x" } end end
  local function list(name) return function(v) return Message { list = { [name] = v }, text = "x" } end end
  local function url_of_list(name) return function(v) return Message { list = { [name] = "https://example.org/" .. v } } end end
  local function part(name)
    return function(v) return Message { text = "x", attachments = { { content = "y", [name] = v } } } end
  end

  local ways = {
    { "in_reply_to", field "in_reply_to" }, { "references", field "references" },
    { "list.id", list "id" }, { "list.help", list "help" }, { "list.unsubscribe", url_of_list "unsubscribe" },
    { "list.subscribe", url_of_list "subscribe" }, { "list.post", url_of_list "post" }, { "list.owner", url_of_list "owner" },
    { "list.archive", url_of_list "archive" },
    { "a comment of a list's URL", function(v) return Message { list = { help = { url = "https://b", comment = v } } } end },
    { "the name of a list", function(v) return Message { list = { id = { id = "a.b", name = v } } } end },
    { "the method of an invitation", function(v) return Message { calendar = { content = "x", method = v } } end },
    { "the file name of an invitation", function(v) return Message { calendar = { content = "x", filename = v } } end },
    { "the type of an attachment", part "type" }, { "its cid", part "cid" }, { "its disposition", part "disposition" },
    { "MIMEText's subtype", function(v) return email.MIMEText("x", v) end },
    { "MIMEText's charset", function(v) return email.MIMEText("x", "plain", v) end },
    { "MIMEBase's parameters", function(v) return email.MIMEBase("a", "b", { name = v }) end },
    { "MIMEMultipart's boundary", function(v) return email.MIMEMultipart("mixed", v) end },
    { "formataddr's name", function(v) return email.utils.formataddr { v, "a@b" } end },
    { "formataddr's address", function(v) return email.utils.formataddr { "x", v } end },
    { "make_msgid's domain", function(v) return email.utils.make_msgid(nil, v) end },
    { "make_msgid's idstring", function(v) return email.utils.make_msgid(v) end },
    { "header.encode", function(v) return email.header.encode(v) end },
  }

  for _, way in ipairs(ways) do
    it(way[1], function()
      for _, mark in ipairs { "\r\n", "\n", "\r", "\0", "\r\n ", "\n\t" } do
        local ok, result, err = pcall(way[2], "a" .. mark .. "X-Evil: y")
        assert.is_true(not ok or result == nil and err ~= nil, ("%q made %s"):format(mark, tostring(result)))
      end
    end)
  end

  local key
  setup(function()
    local pipe = assert(io.popen("openssl genrsa 2048 2>/dev/null"))
    key = pipe:read("*a")
    pipe:close()
  end)

  local function sign(name, value)
    local m = assert(Message { from = "a@example.org", text = "x" })
    local opts = { domain = "example.org", selector = "s", key = key }
    opts[name] = name == "headers" and { "From", value } or value
    local ok, signed, err = pcall(m.sign_dkim, m, opts)
    return ok and signed, m, err
  end

  it("DKIM signs what is good", function()
    assert.is_truthy((sign("identity", "@example.org")))
    assert.is_truthy((sign("headers", "To")))
  end)

  for _, name in ipairs { "domain", "selector", "identity", "algorithm", "canonicalization", "headers" } do
    it("the tag of DKIM that is made of " .. name, function()
      for _, evil in ipairs { "a\r\nX-Evil: y", "a\n", "a; d=evil.example", "a b", "a\0" } do
        local signed, m = sign(name, evil)
        assert.is_falsy(signed, ("%q"):format(evil))
        assert.is_nil(m["DKIM-Signature"])
      end
    end)
  end
end)
