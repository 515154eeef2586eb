// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One row of the table of options (option_table.h): everything that the project knows of an option.
// The GObject properties, the flags of the command with their completions and man page, the members
// of a batch line, the parameters of a URI, the C API's settings, the tables of docs/ and what
// makes two jobs equal all come from the row.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "veo/core/given.h"
#include "veo/options/options.h"

namespace veo {

/// The value of an option, whoever sets or reads it. An option with choices has the choice's
/// number.
using OptionValue = std::variant<bool, std::int64_t, std::string, std::vector<std::string>,
                                 std::shared_ptr<GTlsDatabase>>;

struct OptionChoice {
  std::string_view nick;
  int number;                    ///< of the GEnumValue
  std::string_view description;  ///< the GEnumValue's name
};

/// What values an option takes. All views are of literals: they end with a NUL.
struct OptionType {
  /// In the order of OptionValue's alternatives, but for `choice`, which is a number.
  enum class Kind { flag, number, text, list, object, choice };
  Kind kind;
  std::string_view form;  ///< of a text, a number or an item of a list, for people: `SECONDS`
  std::int64_t least = 0;
  std::int64_t most = 0;
  std::int64_t standard = 0;   ///< the default of a flag (0 or 1) or a number; a choice's is 0
  std::string_view enum_name;  ///< the GType of the choices
  std::span<const OptionChoice> choices;
};

/// Who may set an option.
enum class OptionSetter : unsigned {
  source_element = 1,     ///< veosrc
  extension_element = 2,  ///< veoextend
  command = 4,            ///< a flag of veo
  c_api = 8,              ///< veo_stream_set()
  batch = 16,             ///< a line of a batch file, which may be anybody's
  uri = 32,               ///< a veo:clip URI, which may be anybody's
};
constexpr OptionSetter operator|(OptionSetter a, OptionSetter b) {
  return static_cast<OptionSetter>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool includes(OptionSetter setters, OptionSetter one) {
  return (static_cast<unsigned>(setters) & static_cast<unsigned>(one)) != 0;
}

/// Where in Options the value is. Made by member<>() and its like in option_member.h.
struct OptionMember {
  /// Empty (monostate) where the member is unset: the option then reads as its default.
  std::variant<std::monostate, OptionValue> (*get)(const Options&);
  /// `value` is of the option's type and range.
  void (*set)(Options&, OptionValue value);
  bool (*is_equal)(const Options&, const Options&);
  bool (*fits)(OptionType::Kind);
  bool is_secret;
};

struct Option {
  /// Headings of --help and of the docs. A command takes whole groups.
  enum class Group {
    request,  ///< what to generate
    money,    ///< which task, and what it may cost
    files,    ///< where clips and the record of paid work are
    service,  ///< where the service is
    waiting,  ///< how long to wait, and how often to try
    stream,   ///< what comes out
    film,     ///< how clips become a film
  };
  /// What becomes another thing if the option has another value.
  enum class Identity {
    request,  ///< the request: another value is another task, which is paid for itself
    job,      ///< the job: the same task, but two jobs of this process work for it
    reader,   ///< only what one reader sees: both share one job
  };
  /// What a program sees that reads the option back.
  enum class Exposure { open, redacted, secret };

  Given<std::string_view> name;
  Given<std::string_view> title;  ///< the GObject nick
  /// One text for gst-inspect, --help, the man page, completions and docs. No period at its end.
  Given<std::string_view> help;
  Given<Group> group;
  Given<OptionType> type;
  Given<OptionMember> member;
  Given<Identity> identity;
  Given<OptionSetter> setters;
  Given<std::string_view> since;

  std::string_view unset = "";  ///< what counts while a text is unset
  /// The default of the command, in words, where the command has one of its own.
  std::string_view command_default = "";
  Exposure exposure = Exposure::open;
  bool is_task_id = false;     ///< a text that must be a task id
  bool fits_extension = true;  ///< false: the service takes it for new videos only
};

}  // namespace veo
