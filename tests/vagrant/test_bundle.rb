# frozen_string_literal: true

require "minitest/autorun"
require "open3"
require "rubygems/package"
require "stringio"
require "tmpdir"
require_relative "../../providers/vagrant/bundle"

# The project as a machine that runs Ansible gets it.
class TestBundle < Minitest::Test
  KEY = ".lab/ssh/id_ed25519"

  def setup
    @root = Dir.mktmpdir
    write("lab/bootstrap", "#!/bin/sh\n")
    write("ansible.cfg", "[defaults]\n")
    write(".gitignore", "/.lab/\n")
    write(KEY, "key")
    write("#{KEY}.pub", "public key")
  end

  def teardown
    FileUtils.remove_entry(@root)
  end

  def write(path, text)
    FileUtils.mkdir_p(File.join(@root, File.dirname(path)))
    File.write(File.join(@root, path), text)
  end

  def bundle(**environment)
    environment = environment.transform_keys { |name| "LAB_#{name}" }
    settings = Lab::Settings.new(file: "nowhere", exists: false, environment: environment)
    Lab::Bundle.new(root: @root, settings: settings)
  end

  # Path => [mode, content]
  def packed(**environment)
    archive = StringIO.new("".b)
    bundle(**environment).write(archive)
    archive.rewind
    Gem::Package::TarReader.new(archive).to_h { |entry| [entry.full_name, [entry.header.mode, entry.read]] }
  end

  # The words of the command in the script.
  def command(**environment)
    Shellwords.split(bundle(**environment).script(%w[redis1 client], %w[172.20.0.4])[/^env .*/])
  end

  def test_files_keep_their_content_and_get_their_mode
    assert_equal [0o755, "#!/bin/sh\n"], packed["lab/bootstrap"]
    assert_equal [0o644, "[defaults]\n"], packed["ansible.cfg"]
    assert_equal [0o600, "key"], packed[KEY]
    assert_includes packed, ".gitignore"
  end

  def test_secrets_and_generated_files_are_left_out
    before = packed.keys
    %w[.lab/secrets/mysql_app .lab/ssh/known_hosts .git/config .venv/bin/python .vagrant/x lab/__pycache__/x.pyc]
      .each { |path| write(path, "x") }
    assert_equal before, packed.keys
  end

  def test_the_key_is_found_through_a_symbolic_link
    state = Dir.mktmpdir
    FileUtils.mv(File.join(@root, ".lab"), state)
    File.symlink(File.join(state, ".lab"), File.join(@root, ".lab"))
    assert_includes packed, KEY
  ensure
    FileUtils.remove_entry(state)
  end

  def test_inventories_keep_variables_that_they_share_by_a_link
    write("inventory/lab/group_vars/all/lab.yml", "lab_domain: example\n")
    FileUtils.mkdir_p(File.join(@root, "inventory", "small"))
    File.symlink("../lab/group_vars", File.join(@root, "inventory", "small", "group_vars"))
    assert_equal [0o644, "lab_domain: example\n"], packed["inventory/small/group_vars/all/lab.yml"]
  end

  def test_a_link_to_a_folder_that_it_stands_in_is_left_out
    before = packed.keys
    File.symlink("..", File.join(@root, "lab", "up"))
    assert_equal before, packed.keys
  end

  def test_the_command_names_machines_and_settings
    expected = %w[env LAB_INVENTORY=inventory/lab sh providers/vagrant/with-provider-resolver
                  sh providers/vagrant/provision redis1,client 172.20.0.4 </dev/null]
    assert_equal expected, command
    assert_equal %w[LAB_SUBNET=192.168.57 LAB_SLOW=10], command(SUBNET: "192.168.57", SLOW: "10")[2..3]
  end

  def test_the_path_of_the_inventory_is_relative
    assert_includes command(INVENTORY: File.join(@root, "inventory", "ha")), "LAB_INVENTORY=inventory/ha"
    problem = assert_raises(Lab::Problem) { command(INVENTORY: "/elsewhere") }
    assert_includes problem.message, "LAB_INVENTORY=/elsewhere is outside the project"
  end

  def test_make_on_the_machine_uses_the_labs_settings
    assert_equal [0o644, "LAB_INVENTORY=inventory/lab\nLAB_SUBNET=\nLAB_RELEASE=trixie\n"], packed[".lab/settings"]
    _, record = packed(INVENTORY: File.join(@root, "inventory", "small"), SUBNET: "192.168.57")[".lab/settings"]
    assert_equal "LAB_INVENTORY=inventory/small\nLAB_SUBNET=192.168.57\nLAB_RELEASE=trixie\n", record
  end

  def test_the_script_keeps_the_machines_own_state_and_the_login_shells_options
    Dir.mktmpdir do |home|
      kept = %w[.lab/secrets/route .venv/bin/python]
      [*kept, "gone/file"].each do |path|
        FileUtils.mkdir_p(File.join(home, "revezamento", File.dirname(path)))
        File.write(File.join(home, "revezamento", path), "mine")
      end
      archive = File.join(home, "archive.tar")
      File.open(archive, "wb") { |file| bundle.write(file) }
      script = bundle.script([], []).gsub(Lab::Bundle::ARCHIVE, archive).sub(/^env .*/, "exit 7")
      printed, = Open3.capture2("bash", stdin_data: "#{script}echo $?\nfalse\necho still here\n", chdir: home)
      assert_equal "7\nstill here\n", printed
      found = Dir.glob("**/*", File::FNM_DOTMATCH, base: File.join(home, "revezamento"))
      assert_equal [*kept, "lab/bootstrap"].sort, (found & [*kept, "lab/bootstrap", "gone/file"]).sort
      refute File.exist?(archive)
    end
  end
end
