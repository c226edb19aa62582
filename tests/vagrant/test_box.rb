# frozen_string_literal: true

require "minitest/autorun"
require "tmpdir"
require_relative "../../providers/vagrant/box"

# Which box the machines have, and where its files are.
class TestBox < Minitest::Test
  ROOT = "/project"

  def box(**options)
    Lab::Box.new("trixie", root: ROOT, **options)
  end

  def test_by_default_this_computer_builds_the_box
    assert_equal ["revezamento/trixie", "/project/.lab/box/trixie/metadata.json", true],
                 [box.name, box.url, box.own?]
    assert_equal "revezamento/bookworm", Lab::Box.new("bookworm", root: ROOT).name
  end

  def test_lab_box_replaces_it
    other = box(other: "debian/trixie64")
    assert_equal ["debian/trixie64", nil, false], [other.name, other.url, other.own?]
  end

  def test_lab_box_url_has_the_same_box_from_elsewhere
    built = box(url: "https://school.example/boxes/metadata.json")
    assert_equal ["revezamento/trixie", "https://school.example/boxes/metadata.json", false],
                 [built.name, built.url, built.own?]
    named = box(other: "school/box", url: "https://school.example/metadata.json")
    assert_equal ["school/box", "https://school.example/metadata.json"], [named.name, named.url]
  end

  def test_lab_box_url_may_be_a_file_or_its_folder
    Dir.mktmpdir do |folder|
      path = File.join(folder, "metadata.json")
      File.write(path, "{}")
      assert_equal [path, path], [path, folder].map { |url| box(url: url).url }
      Dir.chdir(folder) { assert_equal path, File.expand_path(box(url: "metadata.json").url) }
    end
    problem = assert_raises(Lab::Problem) { box(url: "/nowhere") }
    assert_includes problem.message, "LAB_BOX_URL=/nowhere: there is no such file. Remedy: "
  end

  def test_the_box_stands_beside_its_catalogue
    assert_equal "/project/.lab/box/trixie/a.box", box.resolve("a.box")
    assert_equal "https://school.example/boxes/a.box",
                 box(url: "https://school.example/boxes/metadata.json").resolve("a.box")
    assert_equal "file:///media/usb/a.box", box(url: "file:///media/usb/metadata.json").resolve("a.box")
  end

  def test_complete_urls_stay
    ["https://other.example/a.box", "file:///srv/a.box", "/srv/a.box"].each do |url|
      assert_equal url, box(url: "https://school.example/boxes/metadata.json").resolve(url)
    end
    assert_equal "a.box", box(other: "debian/trixie64").resolve("a.box")
  end

  def test_another_release_is_refused
    problem = assert_raises(Lab::Problem) { Lab::Box.new("sid", root: ROOT) }
    assert_equal "LAB_RELEASE=sid is not supported. Remedy: LAB_RELEASE=trixie or LAB_RELEASE=bookworm.",
                 problem.message
  end

  def test_architectures_in_the_names_that_boxes_use
    assert_equal %w[arm64 arm64 amd64], %w[aarch64 arm64 x86_64].map { |cpu| Lab::Box.architecture(cpu) }
  end
end
