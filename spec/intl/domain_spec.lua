-- Domains as A-labels, by UTS #46 (non-transitional) and IDNA 2008.
local core = require "smtplib.core"

describe("domain_to_ascii", function()
  if not core.domain_to_ascii("bücher.example") then
    return pending("built without libidn2")
  end

  local cases = {
    { "example.org", "example.org", "ASCII as it is" },
    { "bücher.example", "xn--bcher-kva.example", "an umlaut" },
    { "BÜCHER.Example", "xn--bcher-kva.example", "capitals mapped" },
    { "bu\204\136cher.example", "xn--bcher-kva.example", "a combining mark composed" },
    { "faß.example", "xn--fa-hia.example", "sharp s kept: non-transitional" },
    { "例え.テスト", "xn--r8jz45g.xn--zckzah", "all labels" },
    { "例え。テスト", "xn--r8jz45g.xn--zckzah", "the ideographic full stop" },
    { "ｂü.example", "xn--b-eha.example", "a full-width letter mapped" },
  }
  for _, case in ipairs(cases) do
    it("converts " .. case[3], function() assert.are.equal(case[2], core.domain_to_ascii(case[1])) end)
  end

  local refused = {
    { "", "nothing" },
    { "a..ü", "an empty label" },
    { "ü.", "a dot at the end" },
    { "-ü.example", "a hyphen at the edge" },
    { "ü b.example", "a space" },
    { "ü＠evil.example", "a full-width @" },
    { "ü／x.example", "a full-width slash" },
    { "ü≠.example", "a sign that decomposes into an equals sign" },
    { "ü\194\160.example", "a no-break space" },
    { "ü\0.example", "a NUL" },
    { "ü\194\133.example", "a C1 control" },
    { "so\194\173ft.example", "a soft hyphen, which the mapping would drop" },
    { "ze\226\128\139ro.example", "a zero width space" },
    { "va\239\184\143r.example", "a variation selector" },
    { "bo\239\187\191m.example", "a byte order mark" },
    { "jo\226\129\160in.example", "a word joiner" },
    { "bi\226\128\174di.example", "a direction override" },
    { "\255.example", "what is not UTF-8" },
    { ("ü"):rep(64) .. ".example", "a label whose A-label is too long" },
  }
  for _, case in ipairs(refused) do
    it("refuses " .. case[2], function()
      local domain, name, sentence = core.domain_to_ascii(case[1])
      assert.is_nil(domain)
      assert.are.equal("address", name)
      assert.is_string(sentence)
    end)
  end

  it("is what parse_path adds to an address whose domain alone is not ASCII", function()
    local spec, kind, ascii = core.parse_path("Name <a@Bücher.example>")
    assert.are.same({ "a@Bücher.example", "idna", "a@xn--bcher-kva.example" }, { spec, kind, ascii })
    spec, kind, ascii = core.parse_path('"a@ü"@bücher.example')
    assert.are.same({ '"a@ü"@bücher.example', "utf8" }, { spec, kind, ascii })
    spec, kind, ascii = core.parse_path('"a@b"@bücher.example')
    assert.are.same({ '"a@b"@bücher.example', "idna", '"a@b"@xn--bcher-kva.example' }, { spec, kind, ascii })
    for _, local_part in ipairs { "a", "\195\164" } do
      spec, kind = core.parse_path(local_part .. "@so\194\173ft.example")
      assert.are.same({ nil, "address" }, { spec, kind })
    end
  end)
end)
