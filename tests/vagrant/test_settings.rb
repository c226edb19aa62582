# frozen_string_literal: true

require "minitest/autorun"
require "tmpdir"
require_relative "../../providers/vagrant/settings"

# The settings, with and without a record.
class TestSettings < Minitest::Test
  MADE_WITH = "LAB_INVENTORY=inventory/ha\nLAB_SUBNET=192.168.57\nLAB_RELEASE=bookworm\n"

  def setup
    @file = File.join(Dir.mktmpdir, ".lab", "settings")
  end

  def teardown
    FileUtils.remove_entry(File.dirname(@file, 2))
  end

  def settings(exists: true, **environment)
    Lab::Settings.new(file: @file, exists: exists, environment: environment.transform_keys { |name| "LAB_#{name}" })
  end

  def made_with(text)
    FileUtils.mkdir_p(File.dirname(@file))
    File.write(@file, text)
  end

  def read(settings)
    Lab::Settings::RECORDED.map { |name| settings[name] }
  end

  def test_without_a_record_the_environment_wins
    assert_equal ["inventory/lab", nil, "trixie"], read(settings)
    assert_equal ["inventory/lab", "10.20.30", "trixie"], read(settings(SUBNET: "10.20.30", RELEASE: ""))
  end

  def test_a_lab_keeps_its_settings
    made_with(MADE_WITH)
    assert_silent { assert_equal %w[inventory/ha 192.168.57 bookworm], read(settings(SUBNET: "192.168.57")) }
  end

  def test_another_environment_is_ignored_with_one_line
    made_with(MADE_WITH)
    _, warning = capture_io do
      other = settings(SUBNET: "10.20.30")
      2.times { assert_equal "192.168.57", other["LAB_SUBNET"] }
    end
    assert_equal 1, warning.lines.size
    assert_includes warning, "LAB_SUBNET=10.20.30 is ignored: the lab was made with LAB_SUBNET=192.168.57"
  end

  def test_settings_missing_in_the_record_have_their_default
    made_with("LAB_INVENTORY=inventory/ha\nLAB_SUBNET=\n")
    capture_io { assert_equal ["inventory/ha", nil, "trixie"], read(settings(SUBNET: "10.20.30", RELEASE: "bookworm")) }
  end

  def test_a_new_lab_ignores_an_old_record
    made_with(MADE_WITH)
    new = settings(exists: false, RELEASE: "bookworm")
    assert_silent { assert_equal ["inventory/lab", nil, "bookworm"], read(new) }
  end

  def test_other_settings_come_from_the_environment
    made_with("#{MADE_WITH}LAB_SLOW=7\n")
    assert_equal "10", settings(SLOW: "10")["LAB_SLOW"]
    assert_nil settings["LAB_SLOW"]
  end

  def test_a_new_lab_is_recorded
    settings(exists: false, RELEASE: "bookworm").record(subnet: "172.20.0")
    assert_equal "LAB_INVENTORY=inventory/lab\nLAB_SUBNET=172.20.0\nLAB_RELEASE=bookworm\n", File.read(@file)
    assert_equal %w[inventory/lab 172.20.0 bookworm], read(settings)
  end

  def test_ansible_gets_the_settings_of_the_lab
    made_with(MADE_WITH)
    expected = { "LAB_INVENTORY" => "inventory/ha", "LAB_SUBNET" => "192.168.57", "LAB_SLOW" => "10" }
    assert_equal expected, settings(SLOW: "10").for_ansible.compact
  end
end
